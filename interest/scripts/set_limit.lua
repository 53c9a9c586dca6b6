-- Sets or lifts the limits of a work type or of one of its partitions; held works that may run now are released.
--
-- KEYS   lane, and the queue's list where the broker is this Redis
-- ARGV   `group` as in includes/limits.lua; `limit` is "concurrent count period" ('-' for none) or empty to lift it
-- Reply  letters
--
-- @include keys
-- @include ending
local RUNS_LOOKED_AT = 500

local group, limit = unpack(ARGV)

-- Runs that began while there was no limit have no permit, and count all the same.
local function give_permits_to_runs()
  local name = string.match(group, '^%S+')
  for _, id in ipairs(redis.call('ZRANGE', index_key('RUNNING'), 0, RUNS_LOOKED_AT - 1)) do
    local record = redis.call('HMGET', work_key(id), 'state', 'name', 'partition', 'permit')
    if record[1] == 'RUNNING' and record[2] == name and not record[4] then
      local its_group = group_of(name, record[3] or nil)
      if limit_of(its_group) then give_permit(id, its_group) end
    end
  end
end

if limit == '' then
  redis.call('HDEL', limits_key, 'set ' .. group)
else
  redis.call('HSET', limits_key, 'set ' .. group, limit)
end
give_permits_to_runs()
-- All groups with held works are looked at in the next round; this one's, and the type's only one, at once.
for _, held in ipairs(redis.call('ZRANGE', index_key('HELD'), 0, -1)) do
  if held == group or string.sub(held, 1, #group + 1) == group .. ' ' then
    redis.call('ZADD', index_key('HELD'), now, held)
  end
end
refill(group)
return letters
