-- There is a mirror: from now on changes of entries wait for it, for as long as it is heard of. One that is new, or for which
-- there was no room, is to copy what the histories have.
--
-- KEYS   schedules
-- ARGV   `keep`: ms for which changes wait for a mirror that isn't heard of
-- Reply  { how many wait, the schedule after which the copy goes on, or nothing if all is copied }
--
-- @include keys
-- @include clock
local keep = unpack(ARGV)
if redis.call('HSETNX', outbox_key, '', 0) == 1 then
  redis.call('HSET', outbox_key, '#', now, '@', '')
elseif redis.call('HGET', outbox_key, '') ~= '0' then
  redis.call('HSET', outbox_key, '', 0, '@', '')
end
redis.call('PEXPIRE', outbox_key, keep)
local copied_to = redis.call('HGET', outbox_key, '@')
return { redis.call('HLEN', outbox_key) - (copied_to and 3 or 2), copied_to }
