-- The mirror has these: what has not changed since needs to wait no longer.
--
-- KEYS   schedules
-- ARGV   pairs of a member of the outbox and its value as the mirror has it
-- Reply  how many wait no longer
--
-- @include keys
local gone = 0
for i = 1, #ARGV, 2 do
  if redis.call('HGET', outbox_key, ARGV[i]) == ARGV[i + 1] then
    gone = gone + redis.call('HDEL', outbox_key, ARGV[i])
  end
end
return gone
