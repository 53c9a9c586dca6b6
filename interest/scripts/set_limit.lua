-- Sets or lifts the limits of a work type or of one of its partitions; held works that may run now are released.
--
-- KEYS   lane, and the queue's list where the broker is this Redis
-- ARGV   `group` as in includes/limits.lua; `limit` is "concurrent count period" ('-' for none) or empty to lift it
-- Reply  letters
--
-- @include keys
-- @include ending
local group, limit = unpack(ARGV)
if limit == '' then
  redis.call('HDEL', limits_key, 'set ' .. group)
else
  redis.call('HSET', limits_key, 'set ' .. group, limit)
end
-- All groups with held works are looked at in the next round; this one's, and the type's only one, at once.
for _, held in ipairs(redis.call('ZRANGE', index_key('HELD'), 0, -1)) do
  if held == group or string.sub(held, 1, #group + 1) == group .. ' ' then
    redis.call('ZADD', index_key('HELD'), now, held)
  end
end
refill(group)
return letters
