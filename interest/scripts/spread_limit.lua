-- After the change of a limit: runs from before there was one get permits, then held works that may run now are released.
-- It takes some at a time, and is called until it has seen all.
--
-- KEYS   lane, and the queue's list where the broker is this Redis
-- ARGV   `group` as in includes/limits.lua; `cursor` as replied before, empty at first
-- Reply  { cursor, empty when all is done, letters }
--
-- @include keys
-- @include ending
local AT_ONCE = 100

local group, cursor = unpack(ARGV)

-- Some members of a lane's index, and the cursor for the next call.
local function page(state, at)
  local found = redis.call('ZSCAN', index_key(state), at, 'COUNT', AT_ONCE)
  local members = {}
  for i = 1, #found[2], 2 do members[#members + 1] = found[2][i] end
  return members, found[1]
end

local function give_permit_to_run(id)
  local record = redis.call('HMGET', work_key(id), 'state', 'name', 'partition', 'permit')
  if record[1] ~= 'RUNNING' or record[2] ~= string.match(group, '^%S+') or record[4] then return end
  local its_group = group_of(record[2], record[3] or nil)
  if limit_of(its_group) then give_permit(id, its_group) end
end

local phase, at = string.match(cursor, '^(%a+) (%d+)$')
if phase ~= 'held' then
  local ids, next_at = page('RUNNING', at or '0')
  for _, id in ipairs(ids) do give_permit_to_run(id) end
  if next_at ~= '0' then return { 'runs ' .. next_at, letters } end
  refill(group)
  return { 'held 0', letters }
end
-- Of the type's partitions with held works the caretaker's next round takes care.
local groups, next_at = page('HELD', at)
for _, held in ipairs(groups) do
  if string.sub(held, 1, #group + 1) == group .. ' ' then redis.call('ZADD', index_key('HELD'), now, held) end
end
return { next_at ~= '0' and 'held ' .. next_at or '', letters }
