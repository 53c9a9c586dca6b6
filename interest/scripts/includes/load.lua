-- @include expected
-- What the lane has to do and what it has to do it with, kept as sums so that nobody need count. All times in ms of
-- expected run time; a work whose type has never run counts as none.
--
-- `load` has, for each importance, `waiting:` (works whose message waits for a worker) and `queued:` (the run time they are
-- expected to take), and the workers' `slots`. `ends` has the runs, by when they are expected to end.

local IMPORTANCES = { 'critical', 'normal', 'sheddable' }
local WAITING = { 'waiting:critical', 'waiting:normal', 'waiting:sheddable' }
local HEARD = 10000         -- ms without a heartbeat after which nothing is known about slots
local FADE = 63 / 64        -- of the sums of the pace, with each claim
local PRIOR = 8             -- claims that they begin with
local PLAUSIBLE = 10        -- a claim that comes later than this many times its due says nothing about the pace

-- Its message waits for a worker.
local function enter_queue(importance, cost)
  redis.call('HINCRBY', load_key, 'waiting:' .. importance, 1)
  if cost > 0 then redis.call('HINCRBY', load_key, 'queued:' .. importance, cost) end
end

-- Its message came to a worker, or nobody wants it any more. `cost` may be that of several `works`.
local function leave_queue(importance, cost, works)
  redis.call('HINCRBY', load_key, 'waiting:' .. importance, -(works or 1))
  if cost > 0 then redis.call('HINCRBY', load_key, 'queued:' .. importance, -cost) end
end

-- ms from now until the slot that comes free as number `place` (from 0) does.
local function free_in(place, idle)
  if place < idle then return 0 end
  local run = redis.call('ZRANGE', ends_key, place - idle, place - idle, 'WITHSCORES')
  return run[2] and math.max(run[2] - now, 0) or 0
end

-- ms that a work of this importance would wait for a slot if it were rung now; nil if no worker is heard.
--
-- The works before it take the slots in turn, as they come free, and all take the same time: number k starts in round
-- k / slots, in the slot that comes free as number k % slots. A work for which a slot stands idle never waits.
local function foresee_wait(importance)
  local load = redis.call('HMGET', load_key, 'slots', 'slots_at', 'took', 'due',
    'waiting:critical', 'queued:critical', 'waiting:normal', 'queued:normal', 'waiting:sheddable', 'queued:sheddable')
  local slots = tonumber(load[1] or 0)
  if slots == 0 or now - load[2] > HEARD then return nil end
  local waiting, queued = 0, 0
  for i, class in ipairs(IMPORTANCES) do
    waiting = waiting + math.max(tonumber(load[3 + 2 * i] or 0), 0)
    queued = queued + math.max(tonumber(load[4 + 2 * i] or 0), 0)
    -- Elsewhere than in this Redis all wait in one line.
    if class == importance and queue_list then break end
  end
  local idle = math.max(slots - redis.call('ZCARD', ends_key), 0)
  if waiting < idle then return 0 end
  local rounds = math.floor(waiting / slots)
  local each = waiting > 0 and queued / waiting or 0
  local pace = load[3] and math.min(math.max(load[3] / load[4], 1 / 2), 4) or 1
  return (rounds * each + free_in(waiting % slots, idle)) * pace
end

-- A work is claimed. While work waits, slots should be taken as fast as runs end: how much slower they are is what the
-- model leaves out, the way from one run to the next above all. Kept as two sums that fade, of the time between claims as
-- it was and as it should have been; they begin as if it had been right for a while.
local function learn_pace(cost)
  local load = redis.call('HMGET', load_key, 'slots', 'claimed_at', 'took', 'due', unpack(WAITING))
  local waiting = 0
  for i = 1, #WAITING do waiting = waiting + tonumber(load[4 + i] or 0) end
  local due = cost / math.max(tonumber(load[1] or 0), 1)
  if load[2] and due > 0 then
    local took = math.min(now - load[2], PLAUSIBLE * due)
    redis.call('HSET', load_key,
      'took', string.format('%.3f', (tonumber(load[3]) or PRIOR * due) * FADE + took),
      'due', string.format('%.3f', (tonumber(load[4]) or PRIOR * due) * FADE + due))
  end
  if waiting > 0 then
    redis.call('HSET', load_key, 'claimed_at', now)
  elseif load[2] then
    redis.call('HDEL', load_key, 'claimed_at')  -- the next claim waits for work, not for a slot
  end
end

-- Nothing is left to do.
local function forget_load()
  for _, importance in ipairs(IMPORTANCES) do
    redis.call('HDEL', load_key, 'waiting:' .. importance, 'queued:' .. importance)
  end
  redis.call('DEL', ends_key)
end
