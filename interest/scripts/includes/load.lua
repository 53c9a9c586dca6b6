-- @include expected
-- What the lane has to do and what it has to do it with, kept as sums so that nobody need count. All times in ms of
-- expected run time; a work whose type has never run counts as none.
--
-- `load` has, for each importance, `waiting:` (works whose message waits for a worker) and `queued:` (the run time they are
-- expected to take), and the workers' `slots`. `ends` has the runs, by when they are expected to end.

local IMPORTANCES = { 'critical', 'normal', 'sheddable' }
local HEARD = 10000         -- ms without a heartbeat after which nothing is known about slots
local FADE = 63 / 64        -- of the sums of the pace, with each claim
local PRIOR = 8             -- claims that they begin with
local PLAUSIBLE = 10        -- a claim that comes later than this many times its due says nothing about the pace,
local DISPATCH = 20         -- nor one that comes later than this (ms), however short the runs
local SLOWEST = 100         -- times; the way of a message may take many times as long as its run
local LOAD = { 'slots', 'slots_at', 'max_pending', 'refused_at', 'claimed_at', 'took', 'due', 'waiting:critical',
  'waiting:normal', 'waiting:sheddable', 'queued:critical', 'queued:normal', 'queued:sheddable' }

-- The lane's load as numbers, nil where nothing is known; read once.
local load
local function lane_load()
  if not load then
    load = {}
    for i, value in ipairs(redis.call('HMGET', load_key, unpack(LOAD))) do load[LOAD[i]] = tonumber(value) end
  end
  return load
end

local function add_to_load(field, amount)
  local sum = redis.call('HINCRBY', load_key, field, amount)
  if load then load[field] = sum end
end

-- Its message waits for a worker.
local function enter_queue(importance, cost)
  add_to_load('waiting:' .. importance, 1)
  if cost > 0 then add_to_load('queued:' .. importance, cost) end
end

-- Its message came to a worker, or nobody wants it any more. `cost` may be that of several `works`.
local function leave_queue(importance, cost, works)
  add_to_load('waiting:' .. importance, -(works or 1))
  if cost > 0 then add_to_load('queued:' .. importance, -cost) end
end

-- How many works wait, and for how much run time: those that come before a work of this importance, or all.
local function line_before(importance)
  local waiting, queued = 0, 0
  for _, class in ipairs(IMPORTANCES) do
    waiting = waiting + math.max(lane_load()['waiting:' .. class] or 0, 0)
    queued = queued + math.max(lane_load()['queued:' .. class] or 0, 0)
    -- Elsewhere than in this Redis all wait in one line.
    if class == importance and queue_list then break end
  end
  return waiting, queued
end

-- ms from now until the slot that comes free as number `place` (from 0) does.
local function free_in(place, idle)
  if place < idle then return 0 end
  local run = redis.call('ZRANGE', ends_key, place - idle, place - idle, 'WITHSCORES')
  return run[2] and math.max(run[2] - now, 0) or 0
end

-- How much longer than it should the way of works through the slots takes.
local function pace()
  local took, due = lane_load().took, lane_load().due
  return took and math.min(math.max(took / due, 1 / 2), SLOWEST) or 1
end

-- ms that a work of this importance would wait for a slot if it were rung now; nil if no worker is heard.
--
-- The works before it take the slots in turn, as they come free, and all take the same time: number k starts in round
-- k / slots, in the slot that comes free as number k % slots. A work for which a slot stands idle never waits.
local function foresee_wait(importance)
  local slots = lane_load().slots or 0
  if slots == 0 or now - lane_load().slots_at > HEARD then return nil end
  local waiting, queued = line_before(importance)
  local idle = math.max(slots - redis.call('ZCARD', ends_key), 0)
  if waiting < idle then return 0 end
  local each = waiting > 0 and queued / waiting or 0
  return (math.floor(waiting / slots) * each + free_in(waiting % slots, idle)) * pace()
end

-- A work is claimed. While work waits, slots should be taken as fast as runs end: how much slower they are is what the
-- model leaves out, the way from one run to the next above all. Kept as two sums that fade, of the time between claims as
-- it was and as it should have been; they begin as if it had been right for a while.
local function learn_pace(cost)
  local known = lane_load()
  local waiting = line_before()
  -- With nothing left to wait, the next claim waits for work, not for a slot.
  local fields = { 'claimed_at', waiting > 0 and now or 0 }
  local due = cost / math.max(known.slots or 0, 1)
  if (known.claimed_at or 0) > 0 and due > 0 then
    local took = math.min(math.max(now - known.claimed_at, 0), math.max(PLAUSIBLE * due, DISPATCH))
    fields[3], fields[4] = 'took', string.format('%.3f', (known.took or PRIOR * due) * FADE + took)
    fields[5], fields[6] = 'due', string.format('%.3f', (known.due or PRIOR * due) * FADE + due)
  elseif fields[2] == (known.claimed_at or 0) then
    return
  end
  redis.call('HSET', load_key, unpack(fields))
end

-- A worker is idle and no message is left: nothing waits, whatever the sums say. A few may be on their way to their question;
-- what is counted wrong for them stands until the next idle moment.
local function forget_line()
  local sums = {}
  for _, importance in ipairs(IMPORTANCES) do
    sums[#sums + 1] = 'waiting:' .. importance
    sums[#sums + 1] = 'queued:' .. importance
  end
  redis.call('HDEL', load_key, unpack(sums))
  load = nil
end

-- What went without an end, its record's time being over, must not stand in the sums for ever: no more works wait than are
-- pending.
local function right_load()
  local pending, waiting = redis.call('ZCARD', index_key('PENDING')), line_before()
  for _, importance in ipairs(IMPORTANCES) do
    local works, cost = 'waiting:' .. importance, 'queued:' .. importance
    if pending == 0 then
      redis.call('HDEL', load_key, works, cost)
    elseif waiting > pending then
      local function share(field) return math.floor(math.max(lane_load()[field] or 0, 0) * pending / waiting) end
      redis.call('HSET', load_key, works, share(works), cost, share(cost))
    end
  end
  if redis.call('ZCARD', index_key('RUNNING')) == 0 then redis.call('UNLINK', ends_key) end
  load = nil
end
