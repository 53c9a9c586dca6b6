-- Gives a claim back before the run has ended: its process died, or the worker shuts down.
--
-- KEYS   lane, and the queue's list where the broker is this Redis
-- ARGV   `fence` is the claim's fencing token; `loss` is 1 if the process died with it, 0 if it was put back in order;
--        `pulse_timeout` in ms
-- Reply  { state now, letters } | { stale }
-- Mail   the callers, if that ends it
--
-- @include keys
-- @include ending
-- @include spent
local id, fence, loss, max_deliveries, pulse_timeout = unpack(ARGV)
local record = redis.call('HMGET', work_key(id), 'state', 'fence', 'started_at')
if record[1] ~= 'RUNNING' or record[2] ~= fence then return { 'stale' } end
note_spent(record[3], false)
put_back(id, tonumber(loss), tonumber(max_deliveries), tonumber(pulse_timeout))
return { redis.call('HGET', work_key(id), 'state'), letters }
