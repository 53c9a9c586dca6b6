-- What the lane has to do and what it has to do it with, for operators.
--
-- KEYS   lane, and the queue's list where the broker is this Redis
-- ARGV   none
-- Reply  { slots, runs, then for critical, normal and sheddable works: how many wait, ms of run time they are expected to
--        take, ms that one more would wait (-1 if no worker is heard) }
--
-- @include keys
-- @include doorbell
local load = redis.call('HMGET', load_key, 'slots', 'slots_at')
local heard = load[1] and now - load[2] <= HEARD
local reply = { heard and tonumber(load[1]) or 0, redis.call('ZCARD', index_key('RUNNING')) }
for _, importance in ipairs(IMPORTANCES) do
  local sums = redis.call('HMGET', load_key, 'waiting:' .. importance, 'queued:' .. importance)
  for i = 1, 2 do reply[#reply + 1] = math.max(tonumber(sums[i] or 0), 0) end
  reply[#reply + 1] = math.floor(foresee_wait(importance) or -1)
end
return reply
