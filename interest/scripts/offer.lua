-- Rings again, ahead of all others, for works whose message waits in a worker that is busy: whoever is free takes them.
--
-- KEYS   lane, and the queue's list where the broker is this Redis
-- ARGV   work ids
-- Reply  letters
--
-- @include keys
-- @include doorbell
local waiting = {}
for _, id in ipairs(ARGV) do
  local record = redis.call('HMGET', work_key(id), 'state', 'queued')
  if record[1] == 'PENDING' and record[2] then waiting[#waiting + 1] = id end
end
ring_first(waiting)
return letters
