-- Has a part of a history wait for the mirror.
--
-- KEYS   schedules
-- ARGV   the schedule's `id`; entries from number `first` to number `last` of its history, from 0, the newest first: what
--        is forgotten meanwhile moves none that is still to come
-- Reply  how many there were
--
-- @include entries
local id, first, last = unpack(ARGV)
local found = redis.call('ZREVRANGE', history_key(id), first, last)
for _, instant in ipairs(found) do
  local text = redis.call('HGET', entries_key(id), instant)
  if text then tell_mirror(id, instant, text) end
end
return #found
