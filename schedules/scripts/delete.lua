-- Deletes a schedule with its history. What is open of it is ended, unless it runs, by the caller, and by every scheduler if it
-- doesn't; the last one takes the rest away.
--
-- KEYS   schedules
-- ARGV   the schedule's `id` and the `actor`
-- Reply  1, or 0 if there is none
--
-- @include keys
-- @include runs
local id, actor = unpack(ARGV)
local record = redis.call('HMGET', schedule_key(id), 'revision', 'deleted', 'tags')
if not record[1] or record[2] then return 0 end
pause(id, 'deleted', actor)
redis.call('HSET', schedule_key(id), 'deleted', now)
redis.call('ZREM', ids_key, id)
for _, tag in ipairs(cjson.decode(record[3])) do redis.call('SREM', tag_key(tag), id) end
if redis.call('ZCARD', open_key(id)) == 0 then purge(id) end
return 1
