-- Notes how far a run is.
--
-- KEYS   lane
-- ARGV   `attempt` is the fencing token; `progress` is JSON
-- Reply  1, or 0 if the attempt is stale
--
-- @include keys
local id, attempt, progress = unpack(ARGV)
local record = redis.call('HMGET', work_key(id), 'state', 'attempt')
if record[1] ~= 'RUNNING' or record[2] ~= attempt then return 0 end
redis.call('HSET', work_key(id), 'progress', progress)
return 1
