-- A worker's heartbeat: renews the leases of its runs and tells which of them must stop.
--
-- KEYS   lane
-- ARGV   `lease`, `pulse_timeout` in ms, then pairs of work id and attempt
-- Reply  triples: id, ms left until the last deadline, empty | id, 0, reason to stop
--
-- @include keys
-- @include ending
local worker, lease, pulse_timeout = unpack(ARGV)
give_evidence()
redis.call('ZADD', workers_key, now, worker)

local function reason_to_stop(id, attempt)
  local record = redis.call('HMGET', work_key(id), 'state', 'attempt', 'stopping')
  if record[1] ~= 'RUNNING' or record[2] ~= attempt then return 'lease lost' end
  redis.call('ZADD', index_key('RUNNING'), now + lease, id)
  if record[3] then return record[3] end
  local verdict, deadline = weigh(id, tonumber(pulse_timeout))
  local reason = UNWANTED[verdict]
  if reason then redis.call('HSET', work_key(id), 'stopping', reason) end
  return reason, deadline
end

local reply = {}
for i = 4, #ARGV, 2 do
  local reason, deadline = reason_to_stop(ARGV[i], ARGV[i + 1])
  reply[#reply + 1] = ARGV[i]
  reply[#reply + 1] = deadline and deadline - now or 0
  reply[#reply + 1] = reason or ''
end
return reply
