-- @include load
-- @include expected
-- Whether a work may come in: what can't be done in time is refused at the door, before anybody waits for it.

local AGAIN = 50            -- ms; nobody should ask again sooner

-- Time to keep free after the wait: a run of this type, and what runs of it differ by, though never more than half of
-- what its caller gives it. Nothing where the estimate is old: then a run is to find out.
local function time_needed(name, partition, timeout)
  local mean, deviation, at = known_runtime(name, partition)
  if not mean or now - at > mean + STALE then return 0 end
  return mean + math.max(math.min(4 * deviation, (timeout - mean) / 2), 0)
end

-- Why a work is refused and in how many ms its caller may try again; or nil, and the ms it is foreseen to wait.
local function refuse(name, partition, importance, timeout)
  local most = tonumber(redis.call('HGET', load_key, 'max_pending') or nil)
  local wait = foresee_wait(importance) or 0
  if most and redis.call('ZCARD', index_key('PENDING')) >= most then return 'full', math.max(wait / 10, AGAIN) end
  -- Where a slot stands idle, even a wrong estimate is worth a try.
  if wait == 0 then return nil, 0 end
  local missing = wait + time_needed(name, partition, timeout) - timeout
  if missing > 0 then return 'overloaded', math.max(missing, AGAIN) end
  return nil, wait
end
