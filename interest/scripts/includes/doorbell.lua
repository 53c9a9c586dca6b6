-- @include load
-- Ringing: publishing the work's Celery message. Where the broker is this Redis it is pushed here and now, in the same
-- step as the change of state; else the text goes into `letters`, which the script returns for its caller to publish.
local letters = {}
local room_for_rings = 1048576 -- bytes of messages rung in this call; then what can wait for the next one does

-- What kombu's Redis transport calls a queue's priorities: lists of their own, the lowest number first.
local PRIORITY = { critical = 0, normal = 3, sheddable = 6 }

local function list_of(importance)
  local priority = PRIORITY[importance]
  return priority == 0 and queue_list or queue_list .. '\6\22' .. priority
end

local function messages_wait()
  for _, importance in ipairs(IMPORTANCES) do
    if redis.call('EXISTS', list_of(importance)) == 1 then return true end
  end
  return false
end

-- Publishes the message: `rings` and `deadline` are what differs from ring to ring, `letter` is the rest. `ahead` puts
-- it before all others of its importance that wait, where the queue is in this Redis.
local function publish(id, rings, deadline, letter, importance, ahead)
  local expiration = queue_list and '' or '"expiration":"' .. math.max(deadline - now, 1) .. '",'
  local text = '{"properties":{"correlation_id":"' .. id .. '","delivery_mode":2,'
    .. '"priority":' .. PRIORITY[importance] .. ',' .. expiration
    .. '"delivery_info":{"exchange":"","routing_key":"' .. queue .. '"},'
    .. '"delivery_tag":"' .. id .. '/' .. rings .. '"},'
    .. '"headers":{"askfirst_deadline":' .. deadline .. ',' .. letter
  room_for_rings = room_for_rings - #text
  if queue_list then
    redis.call(ahead and 'RPUSH' or 'LPUSH', list_of(importance), text)
  else
    letters[#letters + 1] = text
  end
  -- Looked after again and again, ever more rarely: a long queue must not be walked every few seconds.
  local patience = FIRST_LOOK * math.min(2 ^ (rings - 1), 32)
  redis.call('ZADD', index_key('PENDING'), math.min(now + patience, math.max(now, deadline + 1)), id)
end

-- Rings once more for a work whose record stands.
local function ring(id, ahead)
  local rings = redis.call('HINCRBY', work_key(id), 'rings', 1)
  local record = redis.call('HMGET', work_key(id), 'deadline', 'importance', 'queued', 'name', 'partition')
  local importance = record[2] or 'normal'
  redis.call('HSET', work_key(id), 'rung_at', now, 'ahead', ahead and '1' or '')
  if not record[3] then
    local cost = cost_of(record[4], record[5])
    redis.call('HSET', work_key(id), 'queued', cost)
    enter_queue(importance, cost)
  end
  publish(id, rings, tonumber(record[1]), redis.call('GET', letter_key(id)), importance, ahead)
end

-- Rings for these ahead of all others, the first of them first.
local function ring_first(ids)
  for i = 1, #ids do ring(ids[queue_list and #ids + 1 - i or i], true) end
end
