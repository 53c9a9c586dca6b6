-- Sets or lifts the limit of a work type or of one of its partitions. What follows from it is up to spread_limit.lua.
--
-- KEYS   lane
-- ARGV   `group` as in includes/limits.lua; `limit` is "concurrent count period" ('-' for none, '=' for what is in force)
--        or empty to lift what was set
-- Reply  { 1 if something had been set for just this group, what was in force, what is now } as texts without '='
--
-- @include keys
-- @include ending
local group, limit = unpack(ARGV)

local field, before = 'set ' .. group, limit_text(group)
local was_set = redis.call('HEXISTS', limits_key, field)
if limit == '' then
  redis.call('HDEL', limits_key, field)
else
  local concurrent, rate = string.match(limit, '^(%S+) (%S+ %S+)$')
  local its_concurrent, its_rate = string.match(before, '^(%S+) (%S+ %S+)$')
  concurrent = concurrent == '=' and its_concurrent or concurrent
  rate = rate == '= =' and its_rate or rate
  redis.call('HSET', limits_key, field, concurrent .. ' ' .. rate)
end
return { was_set, before, limit_text(group) }
