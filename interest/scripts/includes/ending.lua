-- @include doorbell
-- @include interest
-- @include limits
-- @include order
-- The only way out of PENDING and RUNNING.

local TOLD_AT_ONCE = 250    -- callers told in one step, so that a crowd doesn't hold the server up
local room_for_letters = 2097152 -- bytes of letters in this call; then only one more for each work

-- Puts a letter into the mailboxes of the next callers; how many interests these are.
local function tell_callers(id, state, reason, result, failure)
  local text = cjson.encode({ id = id, state = state, reason = reason, result = result, error = failure })
  local interests = redis.call('ZRANGE', interests_key(id), 0, TOLD_AT_ONCE - 1)
  local told, any = {}, false
  for i, interest in ipairs(interests) do
    local caller = caller_of(interest)
    if caller and not told[caller] then
      if any and room_for_letters < #text then return i - 1 end
      told[caller], any, room_for_letters = true, true, room_for_letters - #text
      -- A list that was there is either being read right now, or its caller has gone and it may go too.
      if redis.call('RPUSH', mail_key(caller), text) == 1 then redis.call('PEXPIRE', mail_key(caller), MAIL_TTL) end
    end
  end
  return #interests
end

-- Takes out the interests of those that were told, of `callers` in all; whether there are more to tell. `...` are keys
-- that go in the same step.
local function forget_told(id, told, callers, ...)
  if callers <= told then
    redis.call('UNLINK', interests_key(id), ...)
    return false
  end
  redis.call('ZREMRANGEBYRANK', interests_key(id), 0, told - 1)
  if ... then redis.call('UNLINK', ...) end
  return true
end

-- The caretaker forgets an ended work after its retention, or, if callers are left, tells the next of them at once.
local function look_after_ended(id, state, retention, callers_left)
  redis.call('ZADD', index_key(state), callers_left and now or now + retention, id)
end

-- What a work that leaves PENDING or RUNNING gives back: its place in the queue or among the runs, and its permit.
-- `record` has `state` and, where it has them, `queued` with `importance`, `held` and `permit`.
local function make_room(id, record)
  if record.queued then leave_queue(record.importance, tonumber(record.queued)) end
  if record.state == 'RUNNING' then redis.call('ZREM', ends_key, id) end
  if record.held then redis.call('ZREM', held_key(record.held), id) end
  if record.permit then give_back_permit(id, record.permit, record.state == 'RUNNING') end
end

-- The newer work of the key, which waited for this run to end.
local function let_follow(id)
  local record = redis.call('HMGET', work_key(id), 'state', 'due')
  if record[1] ~= 'PENDING' then return end
  if tonumber(record[2] or 0) > now then
    redis.call('ZADD', index_key('PENDING'), record[2], id)
  else
    ring(id)
  end
end

-- `result` and `failure` are JSON texts or nil.
local function end_work(id, state, reason, result, failure)
  local record = redis.call('HMGET', work_key(id), 'state', 'retention', 'deadline', 'successor', 'queued', 'importance',
    'held', 'permit')
  local retention = tonumber(record[2])
  local callers = redis.call('ZCARD', interests_key(id))
  local fields = { 'state', state, 'reason', reason, 'finished_at', now, 'callers', callers }
  local made = result and 'result' or failure and 'error'
  if made then
    fields[#fields + 1] = made
    fields[#fields + 1] = result or failure
  end
  -- The error of an earlier try does not stand any more.
  redis.call('HDEL', work_key(id), 'stopping', 'error', 'queued', 'held')
  redis.call('HSET', work_key(id), unpack(fields))
  redis.call('PEXPIRE', work_key(id), math.max(retention, 1))
  redis.call('ZREM', index_key(record[1]), id)
  make_room(id, { state = record[1], queued = record[5], importance = record[6] or 'normal', held = record[7],
    permit = record[8] })
  local told = callers > 0 and tell_callers(id, state, reason, result, failure) or 0
  look_after_ended(id, state, retention, forget_told(id, told, callers, letter_key(id)))
  redis.call('HINCRBY', totals_key, state .. (reason ~= '' and ': ' .. reason or ''), 1)
  -- A late message of a forgotten work must not pass for one that the ledger lost.
  local left = tonumber(record[3]) - now
  if left > retention then redis.call('SET', tombstone_key(id), '', 'PX', left) end
  if record[4] then let_follow(record[4]) end
end

end_late = function(id) end_work(id, 'EXPIRED', 'not enough time left') end

-- Asks the run of a RUNNING work to stop: its worker trips the token, and the state changes when the run has ended.
local function stop_run(id, reason)
  local record = redis.call('HMGET', work_key(id), 'worker', 'fence', 'stopping')
  if record[3] then return end
  redis.call('HSET', work_key(id), 'stopping', reason)
  order(record[1], { id = id, fence = record[2], reason = reason })
end

-- Has a run that was told to stop ended at once.
local function kill_run(id)
  local record = redis.call('HMGET', work_key(id), 'worker', 'fence', 'stopping')
  order(record[1], { id = id, fence = record[2], reason = record[3], kill = true })
end

-- Ends a work against its callers' will; a running one is told to stop, and its callers need not wait for that.
local function dismiss(id, state, reason, failure)
  if redis.call('HGET', work_key(id), 'state') == 'PENDING' then
    end_work(id, state, reason, nil, failure)
  else
    local told = tell_callers(id, state, reason, nil, failure)
    forget_told(id, told, redis.call('ZCARD', interests_key(id)))
    stop_run(id, reason)
  end
end

-- Back from RUNNING to PENDING, to be run again if anybody wants it: it has waited for its turn before. `loss` is 1 where
-- a worker was lost with it.
local function put_back(id, loss, max_deliveries, pulse_timeout)
  local stopping = redis.call('HGET', work_key(id), 'stopping')
  if stopping then return end_work(id, state_for(stopping), stopping) end
  local losses = redis.call('HINCRBY', work_key(id), 'losses', loss)
  if loss > 0 and losses >= max_deliveries then
    return end_work(id, 'FAILED', 'worker lost', nil, cjson.encode({
      type = 'WorkLost', message = 'lost with its worker ' .. losses .. ' times', traceback = '' }))
  end
  local verdict = weigh(id, pulse_timeout)
  if UNWANTED[verdict] then return end_work(id, state_for(UNWANTED[verdict]), UNWANTED[verdict]) end
  redis.call('HSET', work_key(id), 'state', 'PENDING')
  redis.call('HDEL', work_key(id), 'worker')
  redis.call('ZREM', index_key('RUNNING'), id)
  make_room(id, { state = 'RUNNING', permit = redis.call('HGET', work_key(id), 'permit') })
  ring(id, true)
end
