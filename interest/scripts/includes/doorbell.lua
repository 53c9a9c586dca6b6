-- @include clock
-- Ringing: publishing the work's Celery message. Where the broker is this Redis it is pushed here and now, in the same
-- step as the change of state; else the text goes into `letters`, which the script returns for its caller to publish.
local letters = {}

-- Publishes the message: `rings` and `deadline` are what differs from ring to ring, `letter` is the rest. `ahead` puts it
-- before all others that wait, where the queue is in this Redis.
local function publish(id, rings, deadline, letter, ahead)
  local text = '{"properties":{"correlation_id":"' .. id .. '","delivery_mode":2,"priority":0,'
    .. '"delivery_info":{"exchange":"","routing_key":"' .. queue .. '"},'
    .. '"delivery_tag":"' .. id .. '/' .. rings .. '"},'
    .. '"headers":{"askfirst_deadline":' .. deadline .. ',' .. letter
  if queue_list then
    redis.call(ahead and 'RPUSH' or 'LPUSH', queue_list, text)
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
  local record = redis.call('HMGET', work_key(id), 'deadline', 'letter')
  redis.call('HSET', work_key(id), 'rung_at', now, 'ahead', ahead and '1' or '')
  publish(id, rings, tonumber(record[1]), record[2], ahead)
end
