-- @include doorbell
-- Whether a slot given to one work is taken from another.

-- Whether other work is rung and waits for a slot, besides `own` messages of the work itself. In another broker's queue we
-- can't look: there every pending work counts.
local function others_wait(own)
  if not queue_list then return redis.call('ZCARD', index_key('PENDING')) > 1 end
  local waiting = 0
  for importance in pairs(PRIORITY) do waiting = waiting + redis.call('LLEN', list_of(importance)) end
  return waiting > own
end

-- Whether a work of this type is not worth its slot with so little time left, others waiting for the slot. Now and then
-- one is let through, or a wrong estimate would never be found out.
local function too_late(name, partition, left)
  if not others_wait(0) then return false end
  if hopeless(name, partition, left) then return true end
  local mean, deviation, at = known_runtime(name, partition)
  if mean and now - at > mean + STALE then note_runtime(name, partition, write_runtime(mean, deviation)) end
  return false
end
