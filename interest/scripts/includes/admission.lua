-- @include load
-- @include expected
-- @include limits
-- Whether a work may come in: what can't be done in time is refused at the door, before anybody waits for it.

local AGAIN = 50            -- ms; nobody should ask again sooner
local CAUTION = 1.1         -- waits come out a little longer or shorter than foreseen, and those let in should make it
local OVERLOAD = 1000       -- ms; so long after a refusal the lane counts as overloaded

-- Time to keep free after the wait: a run of this type, and a margin for what its runs differ by and for what the wait
-- turns out to be; though never more than some share of what its caller gives it. Nothing where the estimate is old:
-- then a run is to find out.
--
-- Runs that differ widely are a gamble at the end of their time, and a lost one costs all the time that it got. While the
-- lane is overloaded a shorter line feeds the slots as well as a longer one: then such runs get more time.
local function time_needed(name, partition, timeout, overloaded)
  local mean, deviation, at = known_runtime(name, partition)
  if not mean or now - at > mean + STALE then return 0 end
  local careful = overloaded and not steady(mean, deviation)
  local margin = careful and math.min(12 * deviation, (timeout - mean) * 3 / 4) or math.min(4 * deviation, (timeout - mean) / 2)
  return mean + math.max(margin, 0)
end

-- Why a work is refused and in how many ms its caller may try again; or nil. `room` is for how many the work itself makes
-- room, by replacing another.
local function refuse(name, partition, importance, timeout, room)
  local most, refused_at = lane_load().max_pending, lane_load().refused_at
  local for_slot = foresee_wait(importance)
  -- Without a worker nothing is known of what is to come.
  local for_permit = for_slot and foresee_hold(name, partition) or 0
  local wait = CAUTION * math.max(for_slot or 0, for_permit)
  if most and redis.call('ZCARD', index_key('PENDING')) - room >= most then
    return 'full', math.max(wait / 10, AGAIN)
  end
  -- Where a slot stands idle, even a wrong estimate is worth a try; so where a permit does.
  if wait == 0 then return nil end
  local overloaded = refused_at and now - refused_at < OVERLOAD
  local missing = wait + time_needed(name, partition, timeout, overloaded) - timeout
  if missing <= 0 then return nil end
  -- Held works keep no slot from others: the lane itself is not overloaded by them.
  if for_slot >= for_permit then
    redis.call('HSET', load_key, 'refused_at', now)
    lane_load().refused_at = now
  end
  return 'overloaded', math.max(missing, AGAIN)
end
