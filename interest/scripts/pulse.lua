-- A caller's sign of life.
--
-- KEYS   lane
-- ARGV   `caller` is the process that lives
-- Reply  this server's time in ms
--
-- @include keys
-- @include interest
local caller = unpack(ARGV)
give_evidence()
redis.call('ZADD', pulse_key, now, caller)
redis.call('PEXPIRE', mail_key(caller), MAIL_TTL)
return now
