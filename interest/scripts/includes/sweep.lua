-- @include ending
-- @include expected
-- Dead work must cost far less than work: where one message was dropped, those behind it are looked at here and now, and
-- the dead ones never reach a worker. Only where the queue is in this Redis.

local SWEPT_AT_ONCE = 50

local function id_of(message)
  return string.match(string.sub(message, 1, 200), '^{"properties":{"correlation_id":"([^"]+)"')
end

-- Why the work of a waiting message is dead, or nil if a worker is to ask about it. Ends it if need be.
local function death_of(id, pulse_timeout)
  local record = redis.call('HMGET', work_key(id), 'state', 'reason', 'name')
  if not record[1] then return nil end
  if record[1] ~= 'PENDING' then
    return (record[1] == 'CANCELLED' or record[1] == 'EXPIRED') and record[2] or 'duplicate delivery'
  end
  local verdict, deadline = weigh(id, pulse_timeout)
  local reason = UNWANTED[verdict]
  if not reason and verdict == 'wanted' and hopeless(record[3], deadline - now) and others_wait(1) then
    reason = 'not enough time left'
  end
  if reason then end_work(id, state_for(reason), reason) end
  return reason
end

-- Takes dead messages off the end that workers take from; returns each with its reason.
local function sweep(pulse_timeout)
  local swept = {}
  while queue_list and #swept < 2 * SWEPT_AT_ONCE do
    local message = redis.call('LINDEX', queue_list, -1)
    local id = message and id_of(message)
    local reason = id and death_of(id, pulse_timeout)
    if not reason then break end
    redis.call('RPOP', queue_list)
    swept[#swept + 1] = message
    swept[#swept + 1] = reason
  end
  return swept
end
