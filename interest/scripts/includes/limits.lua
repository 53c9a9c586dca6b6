-- @include doorbell
-- @include record
-- How many runs of a work type, or of one partition of it, may be at once, and how many may start in a period.
--
-- A group is a type's name, or the name, a space and the partition. A work has a permit from its claim to the end of the
-- run, and from its release to its claim: `permits` has both, `released` the latter. Works without one are `held`, in the
-- order in which they came to be, which they keep; they have no message. Whoever gives a permit back releases the next.

local JITTER = 50           -- ms, and a fiftieth of the period at most: from the claim to the start takes now more, now less
local RELEASED_AT_ONCE = 20 -- held works looked at in one step
local LEAKS_LOOKED_FOR = 5  -- permits in one step
local LOOK_AGAIN = 10000    -- ms; a group with held works is looked at so often, whatever happens

local function group_of(name, partition)
  return partition and name .. ' ' .. partition or name
end

-- The limit in force as "concurrent count period", '-' for what is not limited: what an operator has set for the group comes
-- before what one has set for the type, and that before what the type declares.
local function limit_text(group)
  local name = string.match(group, '^%S+')
  local found = redis.call('HMGET', limits_key, 'set ' .. group, 'set ' .. name, 'declared ' .. name)
  return found[1] or found[2] or found[3] or '- - -'
end

-- `concurrent` runs at once, `count` starts in `period` ms; nil where there is no such limit.
local function limit_of(group)
  local concurrent, count, period = string.match(limit_text(group), '^(%S+) (%S+) (%S+)$')
  concurrent, count, period = tonumber(concurrent), tonumber(count), tonumber(period)
  period = period and period + math.ceil(math.min(period / 50, JITTER))
  return (concurrent or count) and { concurrent = concurrent, count = count, period = period }
end

-- Permits whose works have no right to them: their records are lost. Any few, or those behind long runs would never be seen.
local function take_leaked(group)
  for _, id in ipairs(redis.call('ZRANDMEMBER', permits_key(group), LEAKS_LOOKED_FOR)) do
    if redis.call('HGET', work_key(id), 'permit') ~= group then
      redis.call('ZREM', permits_key(group), id)
      redis.call('SREM', released_key(group), id)
    end
  end
end

-- How many more may start now by the rate, and when (ms) the next may if none does.
local function starts_left(group, limit)
  if not limit.count then return math.huge end
  local starts = starts_key(group)
  redis.call('ZREMRANGEBYSCORE', starts, '-inf', now - limit.period)
  local left = limit.count - redis.call('ZCARD', starts)
  if left > 0 then return left end
  return 0, redis.call('ZREVRANGE', starts, limit.count - 1, limit.count - 1, 'WITHSCORES')[2] + limit.period
end

-- How many works of the group may get a permit, and when (ms) to look again.
local function room_of(group, limit)
  local starts, at = starts_left(group, limit)
  local function left()
    local free = (limit.concurrent or math.huge) - redis.call('ZCARD', permits_key(group))
    return limit.count and math.min(starts - redis.call('SCARD', released_key(group)), free) or free
  end
  local room = left()
  if starts > 0 and room <= 0 then
    take_leaked(group)
    room = left()
  end
  return room, at
end

local function note_start(id, attempt, group, limit)
  if not limit.count then return end
  redis.call('ZADD', starts_key(group), now, id .. '/' .. attempt)
  redis.call('PEXPIRE', starts_key(group), limit.period)
end

local function look_at(group, at)
  if redis.call('EXISTS', held_key(group)) == 1 then
    redis.call('ZADD', index_key('HELD'), at or now + LOOK_AGAIN, group)
  else
    redis.call('ZREM', index_key('HELD'), group)
  end
end

-- Keeps a work back until there is room for it.
local function hold_back(id, group, place, deadline, at)
  place = place or redis.call('HINCRBY', load_key, 'place', 1)
  redis.call('ZADD', held_key(group), place, id)
  redis.call('HSET', work_key(id), 'held', group, 'place', place, 'reason', 'limit reached')
  redis.call('HDEL', work_key(id), 'rung_at')
  redis.call('ZADD', index_key('PENDING'), math.max(deadline, now + 1), id)
  look_at(group, at)
end

local function give_permit(id, group, released)
  redis.call('ZADD', permits_key(group), now, id)
  if released then redis.call('SADD', released_key(group), id) end
  redis.call('HSET', work_key(id), 'permit', group)
  keep_permit(id, group, released)
end

-- Ends a held work for which too little time is left; it is up to includes/ending.lua.
local end_late

-- Takes a work out of the line, where it is still held. Returns whether it is to be released: with others in line, the permit
-- is not given to a work that would drop it at once.
local function leave_line(id, group)
  local record = redis.call('HMGET', work_key(id), 'held', 'name', 'partition', 'deadline')
  if record[1] ~= group then return false end
  redis.call('HDEL', work_key(id), 'held', 'reason')
  local late = hopeless(record[2], record[3] or nil, record[4] - now)
  if not late or redis.call('EXISTS', held_key(group)) == 0 then return true end
  end_late(id)
  return false
end

-- Releases held works of the group as far as there is room, those held longest first; they go ahead of the queue. Returns how
-- many it looked at.
local function refill(group)
  local limit = limit_of(group)
  local left, at = math.huge, nil
  if limit then left, at = room_of(group, limit) end
  local looked, released, bytes = 0, {}, room_for_rings
  while left > 0 and looked < RELEASED_AT_ONCE and bytes > 0 do
    local id = redis.call('ZPOPMIN', held_key(group))[1]
    if not id then break end
    looked = looked + 1
    if leave_line(id, group) then
      if limit then give_permit(id, group, true) end
      released[#released + 1] = id
      bytes = bytes - redis.call('STRLEN', letter_key(id))
      left = left - 1
    end
  end
  ring_first(released)
  look_at(group, (looked == RELEASED_AT_ONCE or bytes <= 0) and now or at)
  return looked
end

-- The run is over, or the work does not start after all: then it has not `started`.
local function give_back_permit(id, group, started)
  redis.call('ZREM', permits_key(group), id)
  if not started then redis.call('SREM', released_key(group), id) end
  redis.call('HDEL', work_key(id), 'permit')
  if redis.call('EXISTS', held_key(group)) == 1 then refill(group) end
end

-- ms until whoever is number `held` (from 0) in line gets the permit or start that comes free as number `first` + `held`,
-- of `count` that come back in turn, each so many ms (`span`) after the time in the sorted set.
local function turn_of(key, held, first, count, span)
  local place = first + held % count
  local taken_at = redis.call('ZRANGE', key, place, place, 'WITHSCORES')[2]
  return math.floor(held / count) * span + math.max((taken_at or now) + span - now, 0)
end

-- ms that one more work of the type would be held for its limit; 0 where it would get a permit at once. As with slots,
-- those held before it take the permits in turn, and all for the same time.
local function foresee_hold(name, partition)
  local group = group_of(name, partition)
  local limit = limit_of(group)
  if not limit then return 0 end
  local held, wait = redis.call('ZCARD', held_key(group)), 0
  if limit.concurrent then
    local free = limit.concurrent - redis.call('ZCARD', permits_key(group))
    local before = held - math.max(free, 0)
    local mean = known_runtime(name, partition) or 0
    if before >= 0 then wait = turn_of(permits_key(group), before, math.max(-free, 0), limit.concurrent, mean) end
  end
  if limit.count then
    local before = held - math.max(starts_left(group, limit) - redis.call('SCARD', released_key(group)), 0)
    if before >= 0 then wait = math.max(wait, turn_of(starts_key(group), before, 0, limit.count, limit.period)) end
  end
  return wait
end
