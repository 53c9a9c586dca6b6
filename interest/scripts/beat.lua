-- A worker's heartbeat: renews the leases of its runs and tells which of them must stop.
--
-- KEYS   lane
-- ARGV   `slots` that the worker has for this lane; `lease`, `pulse_timeout` in ms, then pairs of work id and fence
-- Reply  triples: fence, ms left until the last deadline, empty | fence, 0, reason to stop. A run that this very claim has
--        ended already is left out: its worker is about to notice.
--
-- @include keys
-- @include ending
local worker, slots, lease, pulse_timeout = unpack(ARGV)

-- The lane has the slots of all workers that are heard.
local function count_slots()
  redis.call('HSET', slots_key, worker, slots)
  local live = redis.call('ZRANGEBYSCORE', workers_key, now - lease, '+inf')
  local sum = 0
  for _, count in ipairs(redis.call('HMGET', slots_key, unpack(live))) do sum = sum + (tonumber(count) or 0) end
  redis.call('HSET', load_key, 'slots', sum, 'slots_at', now)
end

give_evidence()
redis.call('ZADD', workers_key, now, worker)
count_slots()

local reply = {}
local function answer(fence, left, reason)
  reply[#reply + 1] = fence
  reply[#reply + 1] = left
  reply[#reply + 1] = reason
end

-- However long a run takes to stop, its record, its key and its permit are there as long.
local function stay(id)
  local record = redis.call('HMGET', work_key(id), 'key', 'retention', 'permit', 'deadline')
  keep(id, record[1], math.max(tonumber(record[4]), now), tonumber(record[2]))
  if record[3] then keep_permit(id, record[3], false) end
end

local function renew(id, fence)
  local record = redis.call('HMGET', work_key(id), 'state', 'fence', 'stopping')
  -- Lost with the ledger's memory, not with its callers: the run goes on, and finish knows how to end it.
  if not record[1] and redis.call('EXISTS', tombstone_key(id)) == 0 then return end
  if record[2] == fence and record[1] ~= 'RUNNING' and record[1] ~= 'PENDING' then return end
  if record[1] ~= 'RUNNING' or record[2] ~= fence then return answer(fence, 0, 'lease lost') end
  redis.call('ZADD', index_key('RUNNING'), now + lease, id)
  if record[3] then
    stay(id)
    return answer(fence, 0, record[3])
  end
  local verdict, deadline = weigh(id, tonumber(pulse_timeout))
  local reason = UNWANTED[verdict]
  if not reason then return answer(fence, deadline - now, '') end
  redis.call('HSET', work_key(id), 'stopping', reason)
  answer(fence, 0, reason)
end

for i = 5, #ARGV, 2 do renew(ARGV[i], ARGV[i + 1]) end
return reply
