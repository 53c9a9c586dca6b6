-- What is open of one schedule.
--
-- KEYS   schedules
-- ARGV   the schedule's `id`
-- Reply  { now (ms), rows as the agenda of look.lua }
--
-- @include keys
-- @include runs
local id = unpack(ARGV)
local rows = {}
for _, instant in ipairs(redis.call('ZRANGE', open_key(id), 0, -1)) do add_row(rows, id, instant) end
return { now, rows }
