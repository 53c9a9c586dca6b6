-- Writes a definition, new or changed, if nobody was faster.
--
-- KEYS   schedules
-- ARGV   the schedule's `id`; `definition` is JSON; `revision` and `cursor` as they were when this was planned, both 0 for a
--        new one, and `calendars`, how often calendars had changed; `lane` is that of its work type; `reached` is the cursor
--        now; `next_due` (ms) may be empty; then its tags
-- Reply  { put, revision } | { conflict }: it is not as it was, or is being deleted
--
-- @include keys
-- @include clock
local id, definition, revision, cursor, calendars, lane, reached, next_due = unpack(ARGV)
local record = redis.call('HMGET', schedule_key(id), 'revision', 'cursor', 'paused', 'deleted', 'tags')
if record[4] or (record[1] or '0') ~= revision or (record[2] or '0') ~= cursor then return { 'conflict' } end
if (redis.call('HGET', calendars_key, '') or '0') ~= calendars then return { 'conflict' } end

-- Never behind the time: one deleted and made anew must not pass for the one that others have read.
local changed_to = math.max(revision + 1, now)
local tags = { unpack(ARGV, 9) }
for _, tag in ipairs(record[5] and cjson.decode(record[5]) or {}) do redis.call('SREM', tag_key(tag), id) end
for _, tag in ipairs(tags) do redis.call('SADD', tag_key(tag), id) end
redis.call('HSETNX', schedule_key(id), 'created_at', now)
redis.call('HSET', schedule_key(id), 'definition', definition, 'revision', changed_to, 'cursor', reached, 'lane', lane,
  'tags', #tags > 0 and cjson.encode(tags) or '[]', 'changed_at', now, 'alarm', '')
redis.call('ZADD', ids_key, 0, id)
if next_due ~= '' and not record[3] then
  redis.call('ZADD', due_key, next_due, id)
else
  redis.call('ZREM', due_key, id)
end
return { 'put', changed_to }
