-- @include clock
-- How long a run of a work type takes, learned from the runs before, from claim to finish.
--
-- Mean and mean deviation are kept as RFC 6298 does for round-trip times, with gains of 1/8 and 1/4; a single outlier
-- counts as twice the mean at most. Where run times are steady the deviation is a margin on top (four of them); where
-- they are not, the type's mean says too little about one run to ask for more than itself.

local STALE = 1000          -- ms without a finished run (beyond one run's length) after which the estimate is tested

local function known_runtime(name)
  local known = redis.call('HGET', runtimes_key, name)
  if not known then return nil end
  local mean, deviation, at = string.match(known, '^(%S+) (%S+) (%S+)$')
  return tonumber(mean), tonumber(deviation), tonumber(at)
end

local function note_runtime(name, mean, deviation)
  redis.call('HSET', runtimes_key, name, string.format('%.3f %.3f %d', mean, deviation, now))
end

-- `cut` if the run was stopped before its end: it would have taken at least this long.
local function learn_runtime(name, took, cut)
  local mean, deviation = known_runtime(name)
  if not mean then
    if not cut then note_runtime(name, took, took / 2) end
    return
  end
  if cut and took < mean then return end
  local off = math.min(took, 2 * mean + 1) - mean
  note_runtime(name, mean + off / 8, deviation + (math.abs(off) - deviation) / 4)
end

-- Whether other work is rung and waits for a slot, besides `own` messages of the work itself. In another broker's queue we
-- can't look: there every pending work counts.
local function others_wait(own)
  if queue_list then return redis.call('LLEN', queue_list) > own end
  return redis.call('ZCARD', index_key('PENDING')) > 1
end

-- Whether so little time is left that a run of this type would hardly end in it, as far as is known of late.
local function hopeless(name, left)
  local mean, deviation, at = known_runtime(name)
  if not mean or now - at > mean + STALE then return false end
  local margin = 4 * deviation
  return left < mean + (margin > mean / 2 and 0 or margin)
end

-- Whether a work of this type is not worth its slot with so little time left, others waiting for the slot. Now and then
-- one is let through, or a wrong estimate would never be found out.
local function too_late(name, left)
  if not others_wait(0) then return false end
  if hopeless(name, left) then return true end
  local mean, deviation, at = known_runtime(name)
  if mean and now - at > mean + STALE then note_runtime(name, mean, deviation) end
  return false
end
