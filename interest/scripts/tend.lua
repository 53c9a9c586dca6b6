-- The caretaker's round: takes the works that are due to be looked at, at most `limit` of each kind.
--
-- KEYS   lane, and the queue's list where the broker is this Redis
-- ARGV   `lease`, `pulse_timeout` in ms; `idle` is 1 if the asking worker has a free slot
-- Reply  { ms until the next work is due, letters }
-- Mail   the callers of works that end
--
-- @include keys
-- @include ending
local OVERTAKEN = 2000      -- ms; messages come roughly in the order of their rings
local LONGEST_LOOK = 300000 -- ms between two looks at a work in a long queue
local SWEEPING = 1000       -- ms after a step of a sweep that ended amid dead messages
local SILENT = 3600000      -- ms after which a caller or a worker is forgotten
local FORGOTTEN_AT_ONCE = 250

local limit, lease, max_deliveries, pulse_timeout, idle = unpack(ARGV)
pulse_timeout = tonumber(pulse_timeout)

local function due(state)
  return redis.call('ZRANGEBYSCORE', index_key(state), '-inf', now, 'LIMIT', 0, limit)
end

-- A worker stands idle, and not because it is at messages before ours: dead ones are asked about and swept in no slot.
local nothing_comes = idle == '1' and not (queue_list and messages_wait())
-- Of another server's queue it is not known what is left in it.
if nothing_comes and queue_list then forget_line() end

-- Rung, and works rung two seconds later have been asked about, or no message comes any more: ours is lost.
local function unheard(rung_at, importance)
  local heard = tonumber(redis.call('HGET', evidence_key, 'heard:' .. importance)) or 0
  return heard - rung_at > OVERTAKEN or nothing_comes
end

-- With no message left in the queue, whatever was rung a while ago has lost its own, due or not.
local function stranded()
  local found = {}
  if not (nothing_comes and queue_list) then return found end
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', index_key('PENDING'), '(' .. now, '+inf', 'LIMIT', 0, limit)) do
    local record = redis.call('HMGET', work_key(id), 'rung_at', 'rings')
    if record[1] and now - record[1] > OVERTAKEN * 4 ^ (record[2] - 1) then found[#found + 1] = id end
  end
  return found
end

-- Where dead messages are swept in bulk just now, the sweep will come to these far more cheaply.
local swept_at = tonumber(redis.call('HGET', evidence_key, 'swept_at')) or 0
local function left_to_sweep(queued)
  return queued and queue_list and now - swept_at < SWEEPING
end

local function look_after_pending(id, record)
  local reason = UNWANTED[weigh(id, pulse_timeout)]
  if reason and left_to_sweep(record[5]) then
    redis.call('ZADD', index_key('PENDING'), now + SWEEPING, id)
  elseif reason then
    end_work(id, state_for(reason), reason)
  elseif not record[2] or unheard(tonumber(record[2]), record[4] or 'normal') then
    ring(id)
  else
    local patience = math.min(now - record[2] + FIRST_LOOK, LONGEST_LOOK)
    redis.call('ZADD', index_key('PENDING'), math.min(now + patience, math.max(now + 1000, tonumber(record[3]))), id)
  end
end

-- After an outage of the ledger every run gets a lease's time to renew before it counts as lost.
local lapse = up_since() + lease
local function look_after_running(id)
  if redis.call('HGET', work_key(id), 'state') ~= 'RUNNING' then
    redis.call('ZREM', index_key('RUNNING'), id)
    redis.call('ZREM', ends_key, id)
  elseif lapse > now then
    redis.call('ZADD', index_key('RUNNING'), lapse, id)
  else
    put_back(id, 1, tonumber(max_deliveries), pulse_timeout)
  end
end

local function look_after_told(id, state)
  local record = redis.call('HMGET', work_key(id), 'state', 'reason', 'result', 'error', 'retention')
  -- One whose record was lost after its end may have been adopted from a late message, and live.
  if record[1] == state and redis.call('EXISTS', interests_key(id)) == 1 then
    local told = tell_callers(id, state, record[2], record[3] or nil, record[4] or nil)
    local more = forget_told(id, told, redis.call('ZCARD', interests_key(id)))
    look_after_ended(id, state, tonumber(record[5]), more)
  else
    redis.call('ZREM', index_key(state), id)
  end
end

local pending = due('PENDING')
if #pending == 0 then pending = stranded() end
-- What there is no room to ring for is due still.
for _, id in ipairs(due('RUNNING')) do
  if room_for_rings > 0 then look_after_running(id) end
end
for _, id in ipairs(pending) do
  if room_for_rings <= 0 then break end
  local record = redis.call('HMGET', work_key(id), 'state', 'rung_at', 'deadline', 'importance', 'queued')
  if record[1] == 'PENDING' then
    look_after_pending(id, record)
  else
    redis.call('ZREM', index_key('PENDING'), id)
  end
end
-- Many partitions may have room at once; those that are left are due still.
local refilled = 0
for _, group in ipairs(due('HELD')) do
  if refilled < RELEASED_AT_ONCE then refilled = refilled + refill(group) end
end
for _, state in ipairs({ 'COMPLETED', 'FAILED', 'CANCELLED', 'EXPIRED' }) do
  for _, id in ipairs(due(state)) do look_after_told(id, state) end
end
-- Whoever comes back is noted anew.
local function silent(key)
  return redis.call('ZRANGEBYSCORE', key, '-inf', now - SILENT, 'LIMIT', 0, FORGOTTEN_AT_ONCE)
end
local callers = silent(pulse_key)
if #callers > 0 then redis.call('ZREM', pulse_key, unpack(callers)) end
for _, worker in ipairs(silent(workers_key)) do
  redis.call('ZREM', workers_key, worker)
  redis.call('HDEL', slots_key, worker)
end
right_load()

local next_due = 1000
for _, state in ipairs({ 'PENDING', 'RUNNING', 'HELD', 'COMPLETED', 'FAILED', 'CANCELLED', 'EXPIRED' }) do
  local first = redis.call('ZRANGE', index_key(state), 0, 0, 'WITHSCORES')
  if first[2] then next_due = math.min(next_due, math.max(tonumber(first[2]) - now, 0)) end
end
return { next_due, letters }
