-- Writes and removes calendars, all or none, if nobody was faster.
--
-- KEYS   schedules
-- ARGV   `changes`: how often calendars had changed when these were checked; then pairs of a name and its definition, which is
--        empty for one that goes
-- Reply  1, or 0 if others have changed since. Sent again, it finds what it wrote
--
-- @include keys
-- Lua does not unpack more than some 8,000.
local changes = unpack(ARGV, 1, 1)
local written = true
for i = 2, #ARGV, 2 do
  written = written and (redis.call('HGET', calendars_key, ARGV[i]) or '') == ARGV[i + 1]
end
if written then return 1 end
if (redis.call('HGET', calendars_key, '') or '0') ~= changes then return 0 end
for i = 2, #ARGV, 2 do
  if ARGV[i + 1] == '' then
    redis.call('HDEL', calendars_key, ARGV[i])
  else
    redis.call('HSET', calendars_key, ARGV[i], ARGV[i + 1])
  end
end
redis.call('HINCRBY', calendars_key, '', 1)
return 1
