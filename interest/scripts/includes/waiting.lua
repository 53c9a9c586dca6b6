-- @include load
-- @include limits
-- Whether a slot given to one work is taken from another.

-- Whether a work of this type is not worth its slot with so little time left, others waiting for the slot or for the permit.
-- Now and then one is let through, or a wrong estimate would never be found out.
local function too_late(name, partition, left)
  local late = hopeless(name, partition, left)
  if late and redis.call('EXISTS', held_key(group_of(name, partition))) == 1 then return true end
  if line_before() == 0 then return false end
  if late then return true end
  local mean, deviation, at = known_runtime(name, partition)
  if mean and now - at > mean + STALE then note_runtime(name, partition, write_runtime(mean, deviation)) end
  return false
end
