-- Notes how far a run is.
--
-- KEYS   lane
-- ARGV   `fence` is the claim's fencing token; `progress` is JSON
-- Reply  1, or 0 if the claim is stale
--
-- @include keys
local id, fence, progress = unpack(ARGV)
local record = redis.call('HMGET', work_key(id), 'state', 'fence')
if record[1] ~= 'RUNNING' or record[2] ~= fence then return 0 end
redis.call('HSET', work_key(id), 'progress', progress)
return 1
