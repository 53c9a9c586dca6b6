-- What is open of one schedule.
--
-- KEYS   schedules
-- ARGV   the schedule's `id`; rows from number `first` to number `last`, from 0
-- Reply  { now (ms), rows as the agenda of look.lua }
--
-- @include keys
-- @include runs
local id, first, last = unpack(ARGV)
local rows = {}
for _, instant in ipairs(redis.call('ZRANGE', open_key(id), first, last)) do add_row(rows, id, instant) end
return { now, rows }
