-- Dead work must cost far less than work: where one message was dropped, those behind it are looked at in bulk, and the
-- dead ones never reach a worker. Only where the queue is in this Redis.
--
-- KEYS   lane, and the queue's list
-- ARGV   `pulse_timeout` in ms; `limit` is how many messages are looked at; `told` is 1 if the messages' headers are wanted
-- Reply  { flat list: a reason, how many died of it; flat list: a message's headers, its reason; 1 if there may be more }
-- Mail   callers who still wait for a work that ends
--
-- @include keys
-- @include ending
-- @include waiting
local LONGEST = 1048576     -- bytes of messages that are looked at, or one message

local pulse_timeout, limit, told = unpack(ARGV)
pulse_timeout, limit = tonumber(pulse_timeout), tonumber(limit)

local counts, headers = {}, {}
-- What all those that end here have in common is done once, for all of them.
local buried = { works = 0, pending = {}, gone = {}, reasons = {}, EXPIRED = {}, CANCELLED = {} }
-- How many of those that are still counted as waiting do so no more.
local leaving = 0

local function headers_of(message)
  local begins = string.find(message, '"headers":{', 1, true)
  local ends = string.find(message, '},"content-type"', 1, true)
  local text = begins and ends and string.sub(message, begins + 10, ends) or '{}'
  -- Whoever wrote other bytes than ASCII, it was not askfirst, and they may be no text at all.
  return string.find(text, '[\128-\255]') and '{}' or text
end

-- Numbers as texts, made once: Redis takes as long to make them as for the command.
local now_text, lives = string.format('%d', now), {}
local function life_after(retention)
  if not lives[retention] then
    local ms = tonumber(retention)
    lives[retention] = { ms = ms, ttl = string.format('%d', math.max(ms, 1)), till = string.format('%d', now + ms) }
  end
  return lives[retention]
end

-- As `end_work` does, for a work that nobody waits for and nothing waits for. Callers past their deadline have failed by
-- themselves, and those that are gone hear nothing.
local function bury(id, work, record, reason)
  local state, life = state_for(reason), life_after(record.retention)
  redis.call('HSET', work, 'state', state, 'reason', reason, 'finished_at', now_text)
  redis.call('PEXPIRE', work, life.ttl)
  local left = record.deadline - now
  if left > life.ms then redis.call('SET', tombstone_key(id), '', 'PX', left) end
  buried.reasons[reason] = (buried.reasons[reason] or 0) + 1
  local number, ended = buried.works + 1, buried[state]
  buried.works = number
  buried.pending[number] = id
  buried.gone[2 * number - 1], buried.gone[2 * number] = letter_key(id), interests_key(id)
  ended[#ended + 1] = life.till
  ended[#ended + 1] = id
  if record.queued then
    leaving = leaving + 1
    local sums = buried[record.importance]
    if not sums then
      sums = { works = 0, cost = 0 }
      buried[record.importance] = sums
    end
    sums.works, sums.cost = sums.works + 1, sums.cost + record.queued
  end
end

local function end_buried()
  if buried.works == 0 then return end
  redis.call('ZREM', index_key('PENDING'), unpack(buried.pending))
  redis.call('UNLINK', unpack(buried.gone))
  for _, state in ipairs({ 'EXPIRED', 'CANCELLED' }) do
    if #buried[state] > 0 then redis.call('ZADD', index_key(state), unpack(buried[state])) end
  end
  for reason, count in pairs(buried.reasons) do
    redis.call('HINCRBY', totals_key, state_for(reason) .. ': ' .. reason, count)
  end
  for _, importance in ipairs(IMPORTANCES) do
    local sums = buried[importance]
    if sums then leave_queue(importance, sums.cost, sums.works) end
  end
end

-- Works whose end makes others ring, ahead of the queue: they end when the messages are out, or the places of these would
-- be counted wrong.
local ending = {}

local function end_later(id, record, reason)
  if ending[id] then return end
  ending[id] = true
  table.insert(ending, { id = id, reason = reason })
  if record.queued then leaving = leaving + 1 end
end

local function end_others()
  for _, each in ipairs(ending) do end_work(each.id, state_for(each.reason), each.reason) end
end

local function read(work)
  local found = redis.call('HMGET', work, 'state', 'deadline', 'retention', 'queued', 'importance', 'successor',
    'permit', 'held', 'failures')
  return { state = found[1], deadline = found[2], retention = found[3], queued = found[4],
    importance = found[5] or 'normal', successor = found[6], permit = found[7], held = found[8],
    failed = found[9] ~= '0' }
end

-- Why a pending work is dead, or nil if a worker is to ask about it.
local function death_of(id, work, record)
  if tonumber(record.deadline) <= now then return 'deadline passed' end
  local verdict, deadline = weigh(id, pulse_timeout)
  if UNWANTED[verdict] then return UNWANTED[verdict] end
  if verdict ~= 'wanted' or line_before() - leaving <= 1 then return nil end
  local kind = redis.call('HMGET', work, 'name', 'partition')
  return hopeless(kind[1], kind[2], deadline - now) and 'not enough time left' or nil
end

-- Why a message without a record is dead, or nil if a worker is to ask about it: the ledger may have lost the record.
local function death_without_record(id, message)
  if redis.call('EXISTS', tombstone_key(id)) == 1 then return 'duplicate delivery' end
  -- Near its beginning, however large the payload.
  local deadline = tonumber(string.match(string.sub(message, 1, 1000), '"headers":{"askfirst_deadline":(%d+),'))
  return deadline and deadline <= now and 'deadline passed' or nil
end

-- Whether the message is dead, and its work ended.
local function dead(message)
  local id = string.match(message, '^{"properties":{"correlation_id":"([^"]+)"')
  if not id then return false end
  local work = work_key(id)
  local record, reason = read(work), nil
  if not record.state then
    reason = death_without_record(id, message)
    if not reason then return false end
  elseif record.state == 'PENDING' then
    reason = death_of(id, work, record)
    if not reason then return false end
    if record.successor or record.permit or record.held or record.failed then
      end_later(id, record, reason)
    elseif reason == 'not enough time left' then
      end_work(id, state_for(reason), reason)
    else
      bury(id, work, record, reason)
    end
  else
    local ended = record.state == 'CANCELLED' or record.state == 'EXPIRED'
    reason = ended and redis.call('HGET', work, 'reason') or 'duplicate delivery'
  end
  counts[reason] = (counts[reason] or 0) + 1
  if told == '1' then
    headers[#headers + 1] = headers_of(message)
    headers[#headers + 1] = reason
  end
  return true
end

-- How many messages at the end of the list that workers take from are dead, up to the first that is not. (Places are
-- counted from that end: LRANGE and RPOP with a count would walk the whole list to get there.)
local room, bytes = limit, LONGEST
local function count_dead(list)
  local count = 0
  while room > 0 and bytes > 0 do
    local message = redis.call('LINDEX', list, -1 - count)
    if not message or not dead(message) then break end
    count, room, bytes = count + 1, room - 1, bytes - #message
  end
  return count
end

for _, importance in ipairs(IMPORTANCES) do
  local list = list_of(importance)
  local count = count_dead(list)
  if count > 0 then redis.call('LTRIM', list, 0, -1 - count) end
end
-- There is more to come: caretakers leave it to the sweep.
local more = room == 0 or bytes <= 0
if more then redis.call('HSET', evidence_key, 'swept_at', now) end
end_buried()
end_others()
local totals = {}
for reason, count in pairs(counts) do
  totals[#totals + 1] = reason
  totals[#totals + 1] = count
end
return { totals, headers, more and 1 or 0 }
