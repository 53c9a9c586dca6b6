-- The copy of what the histories have has got on, unless somebody has begun it anew.
--
-- KEYS   schedules
-- ARGV   `before` is the schedule that it had got to, `reached` the one that it has now, empty if that was the last
-- Reply  1, or 0 if it is not where it was
--
-- @include keys
local before, reached = unpack(ARGV)
if redis.call('HGET', outbox_key, '@') ~= before then return 0 end
if reached == '' then
  redis.call('HDEL', outbox_key, '@')
else
  redis.call('HSET', outbox_key, '@', reached)
end
return 1
