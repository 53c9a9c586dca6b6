-- One more caller becomes interested in a work that exists.
--
-- KEYS   lane
-- ARGV   `timeout` in ms, or empty for the work's own deadline
-- Reply  { unknown } | { live, ms left } | { ended, then state, stopping, reason, result, error }
--
-- @include keys
-- @include interest
-- @include record
local id, interest, timeout = unpack(ARGV)
local record = redis.call('HMGET', work_key(id), 'state', 'stopping', 'reason', 'result', 'error', 'deadline')
if not record[1] then return { 'unknown' } end
if record[2] or record[1] ~= 'PENDING' and record[1] ~= 'RUNNING' then
  return { 'ended', record[1], record[2], record[3], record[4], record[5] }
end
local deadline = timeout == '' and tonumber(record[6]) or now + timeout
add_interest(id, interest, deadline)
return { 'live', deadline - now }
