-- The question before the start: does anybody still want it, and may it start now? RUN writes the claim.
--
-- KEYS   lane, and the queue's list where the broker is this Redis
-- ARGV   `nonce` names this very question: asked again after a lost reply, it gets the same claim; `lease`,
--        `pulse_timeout` in ms; `message_deadline` in ms of this server's clock, from the message itself, 0 if it has none
-- Reply  { RUN, fence, ms left, failures so far } | { HOLD or DROP, reason, letters }
--        | { UNKNOWN }: no record, but time left by the message: adopt it and ask again
-- Mail   callers of a work that is dropped for good get its outcome
--
-- @include keys
-- @include ending
-- @include waiting
local id, worker, nonce, lease, pulse_timeout, max_deliveries, message_deadline = unpack(ARGV)
pulse_timeout = tonumber(pulse_timeout)

local function answer(verdict, reason)
  return { verdict, reason, letters }
end

local function hold(record, reason, patience)
  redis.call('ZADD', index_key('PENDING'), now + patience, id)
  redis.call('HDEL', work_key(id), 'rung_at')
  if record.permit then give_back_permit(id, record.permit, false) end
  return answer('HOLD', reason)
end

-- Messages of one importance come roughly in the order of their rings: those rung well before this one should have come
-- by now, unless it was rung ahead of them.
local function hear(record)
  if record.rung_at and (record.ahead or '') == '' then
    redis.call('HSET', evidence_key, 'heard:' .. record.importance, record.rung_at)
  end
end

-- Its message is here, and waits no more.
local function take_out(record)
  if not record.queued then return end
  leave_queue(record.importance, tonumber(record.queued))
  redis.call('HDEL', work_key(id), 'queued')
end

-- The same question again: the reply was lost on the way, the claim stands.
local function claimed_before(record)
  local deadline = redis.call('ZREVRANGE', interests_key(id), 0, 0, 'WITHSCORES')[2]
  return { 'RUN', record.fence, (tonumber(deadline) or now) - now, tonumber(record.failures) }
end

-- What a claim is known by. Not by its attempt alone: a server that lost its last second counts that attempt twice.
local function fence_of(attempt)
  return attempt .. ':' .. nonce
end

local function claim(record, deadline)
  -- First: a user of Redis who may not claim must not have begun to.
  redis.call('ZADD', index_key('RUNNING'), now + lease, id)
  local attempt = record.attempt + 1
  local fence = fence_of(attempt)
  redis.call('HSET', work_key(id), 'state', 'RUNNING', 'attempt', attempt, 'fence', fence, 'worker', worker,
    'started_at', now)
  if attempt > 1 then redis.call('HDEL', work_key(id), 'progress') end
  local cost = cost_of(record.name, record.partition)
  redis.call('ZADD', ends_key, now + cost, id)
  learn_pace(cost)
  redis.call('ZREM', index_key('PENDING'), id)
  return { 'RUN', fence, deadline - now, tonumber(record.failures) }
end

-- With a permit of its group, or held until there is one.
local function claim_within_limit(record, deadline)
  local group = group_of(record.name, record.partition)
  local limit = limit_of(group)
  if not limit then
    if record.permit then redis.call('SREM', released_key(record.permit), id) end
    if record.held then
      redis.call('ZREM', held_key(record.held), id)
      redis.call('HDEL', work_key(id), 'held', 'reason')
    end
    return claim(record, deadline)
  end
  if record.permit == group then
    redis.call('SREM', released_key(group), id)
  else
    local left, at = room_of(group, limit)
    -- Those that were held before go first.
    if left <= 0 or redis.call('EXISTS', held_key(group)) == 1 then
      -- Whose turn it was before they need not line up again.
      local place = record.place or record.attempt ~= '0' and 0 or nil
      hold_back(id, group, place, deadline, left > 0 and now or at)
      return answer('HOLD', 'limit reached')
    end
    give_permit(id, group)
  end
  note_start(id, record.attempt + 1, group, limit)
  if limit.count then
    local _, at = room_of(group, limit)
    look_at(group, at or now)
  end
  return claim(record, deadline)
end

local FIELDS = { 'state', 'reason', 'attempt', 'failures', 'rung_at', 'predecessor', 'fence', 'name', 'due', 'importance',
  'partition', 'queued', 'place', 'permit', 'ahead', 'held' }
local record = { importance = 'normal' }
for i, value in ipairs(redis.call('HMGET', work_key(id), unpack(FIELDS))) do
  record[FIELDS[i]] = value or record[FIELDS[i]]
end
record.due = tonumber(record.due or 0)

if not record.state then
  if redis.call('EXISTS', tombstone_key(id)) == 1 then return answer('DROP', 'duplicate delivery') end
  if tonumber(message_deadline) <= now then return answer('DROP', 'deadline passed') end
  return { 'UNKNOWN' }
end
if record.state == 'RUNNING' then
  if record.fence == fence_of(record.attempt) then return claimed_before(record) end
  local lease_end = tonumber(redis.call('ZSCORE', index_key('RUNNING'), id)) or 0
  -- A lease that lapsed while the ledger was up is a lost worker: put back, and rung for whoever asks next.
  if lease_end < now and up_since() + lease < now then put_back(id, 1, tonumber(max_deliveries), pulse_timeout) end
  return answer('DROP', 'duplicate delivery')
end
if record.state == 'CANCELLED' or record.state == 'EXPIRED' then
  return answer('DROP', record.reason)
end
if record.state ~= 'PENDING' then return answer('DROP', 'duplicate delivery') end

hear(record)
take_out(record)
if record.due > now then return hold(record, 'not due yet', record.due - now) end
local verdict, deadline = weigh(id, pulse_timeout)
local reason = UNWANTED[verdict]
if reason then
  end_work(id, state_for(reason), reason)
  return answer('DROP', reason)
end
if verdict == 'doubt' then return hold(record, "waiting for the caller's pulse", 1000) end
if too_late(record.name, record.partition, deadline - now) then
  end_work(id, 'EXPIRED', 'not enough time left')
  return answer('DROP', 'not enough time left')
end
if record.predecessor and redis.call('HGET', work_key(record.predecessor), 'state') == 'RUNNING' then
  return hold(record, 'older work of the same key still runs', FIRST_LOOK)
end
return claim_within_limit(record, deadline)
