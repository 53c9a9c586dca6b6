-- Decides what becomes of the next instants of a schedule, in their order, once: whoever comes second finds the cursor moved
-- and changes nothing.
--
-- KEYS   schedules
-- ARGV   the schedule's `id`; `revision`, `cursor` and `paused` (1 or 0) as they were when this was planned, and `calendars`,
--        how often calendars had changed, or empty if none plays a part; `lane` of the work type, empty if unknown; `reached`
--        is the new cursor, `next_due` when (ms) there is more to decide, or empty if never; `carry` as in misfire.py; `alarm`
--        says why it can't fire, or is empty; `overlap` is the policy; `keep` entries are kept, for `keep_for` ms. Then, for
--        each instant or row of instants, its nominal time (ms), fire, skipped or missed, why, the last nominal time, and how
--        many they are
-- Reply  { now (ms), triples of schedule, revision and entry that are claimed } | { stale }
--
-- @include keys
-- @include runs
local id, revision, cursor, paused, calendars, lane, reached, next_due, carry, alarm, overlap, keep, keep_for = unpack(ARGV)
local record = redis.call('HMGET', schedule_key(id), 'revision', 'cursor', 'paused', 'deleted')
local as_planned = record[1] == revision and record[2] == cursor and (record[3] and '1' or '0') == paused
if not as_planned or record[4] then return { 'stale' } end
-- By other calendars there may be more to decide, and earlier.
if calendars ~= '' and (redis.call('HGET', calendars_key, '') or '0') ~= calendars then return { 'stale' } end

if lane ~= '' then redis.call('HSET', schedule_key(id), 'lane', lane) end
for i = 14, #ARGV, 5 do
  local nominal, fate, why, last, count = unpack(ARGV, i, i + 4)
  local entry = { instant = nominal, nominal = tonumber(nominal), cause = 'planned', run = 1, decided_at = now }
  if fate == 'fire' then
    fire(id, entry, overlap)
  else
    if count ~= '1' then
      entry.instant, entry.last, entry.count = nominal .. 'r', tonumber(last), tonumber(count)
    end
    entry.status, entry.why, entry.run = fate, why, 0
    write_entry(id, entry)
  end
end
redis.call('HSET', schedule_key(id), 'cursor', reached, 'carry', carry, 'alarm', alarm)
if next_due == '' then
  redis.call('ZREM', due_key, id)
else
  -- What has more to catch up on lines up behind the others.
  redis.call('ZADD', due_key, math.max(tonumber(next_due), now), id)
end
trim(id, tonumber(keep), tonumber(keep_for))
return { now, claimed }
