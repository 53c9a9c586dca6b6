-- The question before the start: does anybody still want it, and may it start now? RUN writes the claim.
--
-- KEYS   lane, and the queue's list where the broker is this Redis
-- ARGV   `nonce` names this very question: asked again after a lost reply, it gets the same claim; `lease`,
--        `pulse_timeout` in ms; `message_deadline` in ms of this server's clock, from the message itself, 0 if it has none
-- Reply  { RUN, attempt, ms left, failures so far } | { HOLD, reason }
--        | { DROP, reason, flat list of dead messages behind this one, each with its reason }
--        | { UNKNOWN }: no record, but time left by the message: adopt it and ask again
-- Mail   callers of a work that is dropped for good get its outcome
--
-- @include keys
-- @include ending
-- @include sweep
local id, worker, nonce, lease, pulse_timeout, max_deliveries, message_deadline = unpack(ARGV)
pulse_timeout = tonumber(pulse_timeout)

local function hold(reason, patience)
  redis.call('ZADD', index_key('PENDING'), now + patience, id)
  redis.call('HDEL', work_key(id), 'rung_at')
  return { 'HOLD', reason }
end

-- Messages come roughly in the order of their rings: those rung well before this one should have come by now, unless it
-- was rung ahead of them.
local function hear(rung_at, ahead)
  if rung_at and (ahead or '') == '' then redis.call('HSET', evidence_key, 'heard', rung_at) end
end

-- The same question again: the reply was lost on the way, the claim stands.
local function claimed_before(record)
  local deadline = redis.call('ZREVRANGE', interests_key(id), 0, 0, 'WITHSCORES')[2]
  return { 'RUN', tonumber(record.attempt), (tonumber(deadline) or now) - now, tonumber(record.failures) }
end

local function claim(record, deadline)
  local attempt = record.attempt + 1
  redis.call('HSET', work_key(id), 'state', 'RUNNING', 'attempt', attempt, 'worker', worker, 'started_at', now,
    'nonce', nonce)
  if attempt > 1 then redis.call('HDEL', work_key(id), 'progress') end
  redis.call('ZREM', index_key('PENDING'), id)
  redis.call('ZADD', index_key('RUNNING'), now + lease, id)
  return { 'RUN', attempt, deadline - now, tonumber(record.failures) }
end

local found = redis.call('HMGET', work_key(id), 'state', 'reason', 'attempt', 'failures', 'rung_at', 'predecessor',
  'nonce', 'name', 'due', 'ahead')
local record = { state = found[1], reason = found[2], attempt = found[3], failures = found[4],
  rung_at = found[5], predecessor = found[6], nonce = found[7], name = found[8], due = tonumber(found[9] or 0),
  ahead = found[10] }

if not record.state then
  if redis.call('EXISTS', tombstone_key(id)) == 1 then return { 'DROP', 'duplicate delivery' } end
  if tonumber(message_deadline) <= now then return { 'DROP', 'deadline passed' } end
  return { 'UNKNOWN' }
end
if record.state == 'RUNNING' then
  if record.nonce == nonce then return claimed_before(record) end
  local lease_end = tonumber(redis.call('ZSCORE', index_key('RUNNING'), id)) or 0
  -- A lease that lapsed while the ledger was up is a lost worker: put back, and rung for whoever asks next.
  if lease_end < now and up_since() + lease < now then put_back(id, 1, tonumber(max_deliveries), pulse_timeout) end
  return { 'DROP', 'duplicate delivery' }
end
if record.state == 'CANCELLED' or record.state == 'EXPIRED' then
  return { 'DROP', record.reason, sweep(pulse_timeout) }
end
if record.state ~= 'PENDING' then return { 'DROP', 'duplicate delivery' } end

hear(record.rung_at, record.ahead)
if record.due > now then return hold('not due yet', record.due - now) end
local verdict, deadline = weigh(id, pulse_timeout)
local reason = UNWANTED[verdict]
if reason then
  end_work(id, state_for(reason), reason)
  return { 'DROP', reason, sweep(pulse_timeout) }
end
if verdict == 'doubt' then return hold("waiting for the caller's pulse", 1000) end
if too_late(record.name, deadline - now) then
  end_work(id, 'EXPIRED', 'not enough time left')
  return { 'DROP', 'not enough time left', sweep(pulse_timeout) }
end
if record.predecessor and redis.call('HGET', work_key(record.predecessor), 'state') == 'RUNNING' then
  return hold('older work of the same key still runs', FIRST_LOOK)
end
return claim(record, deadline)
