-- The run of an instant is over: its outcome goes into the history, and whoever waited for its end is claimed.
--
-- KEYS   schedules
-- ARGV   the schedule's `id` and the `instant`; `work` is the id of the run; `outcome` is JSON, what the entry gets: status,
--        state, what else the ledger knows of the run; `max_failures` in a row pause the schedule, 0 never; `keep` and `keep_for` as for decide
-- Reply  { now (ms), triples of schedule, revision and entry that are claimed } | { stale }: it is over already
--
-- @include keys
-- @include runs
local id, instant, work, outcome, max_failures, keep, keep_for = unpack(ARGV)
local entry = read_entry(id, instant)
if not entry or entry.work ~= work or not redis.call('ZSCORE', open_key(id), instant) then return { 'stale' } end
for field, value in pairs(cjson.decode(outcome)) do entry[field] = value end
write_entry(id, entry)

if entry.state == 'COMPLETED' then
  redis.call('HSET', schedule_key(id), 'failures', 0)
elseif entry.state == 'FAILED' or entry.state == 'EXPIRED' then
  local failures = redis.call('HINCRBY', schedule_key(id), 'failures', 1)
  local limit = tonumber(max_failures)
  if limit > 0 and failures >= limit and redis.call('HEXISTS', schedule_key(id), 'paused') == 0 then
    pause(id, failures .. ' failed runs in a row', 'scheduler')
  end
end
close(id, instant)
trim(id, tonumber(keep), tonumber(keep_for))
return { now, claimed }
