-- @include load
-- Whether a slot given to one work is taken from another.

-- Whether a work of this type is not worth its slot with so little time left, others waiting for the slot. Now and then
-- one is let through, or a wrong estimate would never be found out.
local function too_late(name, partition, left)
  if line_before() == 0 then return false end
  if hopeless(name, partition, left) then return true end
  local mean, deviation, at = known_runtime(name, partition)
  if mean and now - at > mean + STALE then note_runtime(name, partition, write_runtime(mean, deviation)) end
  return false
end
