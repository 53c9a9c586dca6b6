-- Dead work must cost far less than work: where one message was dropped, those behind it are looked at in bulk, and the
-- dead ones never reach a worker. Only where the queue is in this Redis.
--
-- KEYS   lane, and the queue's list
-- ARGV   `pulse_timeout` in ms; `limit` is how many messages are looked at; `told` is 1 if the messages' heads are wanted
-- Reply  { flat list: a reason, how many died of it; flat list: a message's head, its reason; letters }
-- Mail   callers who still wait for a work that ends
--
-- @include keys
-- @include ending
-- @include waiting
local pulse_timeout, limit, told = unpack(ARGV)
pulse_timeout, limit = tonumber(pulse_timeout), tonumber(limit)

local counts, heads = {}, {}
-- What all those that end here have in common is done once, for all of them.
local buried = { pending = {}, gone = {}, totals = {}, EXPIRED = {}, CANCELLED = {} }
-- How many of those that are still counted as waiting do so no more.
local leaving = 0

local function id_of(message)
  return string.match(string.sub(message, 1, 200), '^{"properties":{"correlation_id":"([^"]+)"')
end

-- What of a message tells whose it is: all but its body.
local function head_of(message)
  local ends = string.find(message, '},"content-type"', 1, true)
  return ends and string.sub(message, 1, ends) .. '}' or message
end

-- As `end_work` does, for a work that nobody waits for and nothing waits for. Callers past their deadline have failed by
-- themselves, and those that are gone hear nothing.
local function bury(id, record, reason)
  local state, retention = state_for(reason), tonumber(record.retention)
  redis.call('HSET', work_key(id), 'state', state, 'reason', reason, 'finished_at', now, 'callers', 0)
  redis.call('PEXPIRE', work_key(id), math.max(retention, 1))
  local left = record.deadline - now
  if left > retention then redis.call('SET', tombstone_key(id), '', 'PX', left) end
  local total = state .. ': ' .. reason
  buried.totals[total] = (buried.totals[total] or 0) + 1
  table.insert(buried.pending, id)
  table.insert(buried.gone, letter_key(id))
  table.insert(buried.gone, interests_key(id))
  table.insert(buried[state], now + retention)
  table.insert(buried[state], id)
  if record.queued then
    leaving = leaving + 1
    local sums = buried[record.importance] or { works = 0, cost = 0 }
    buried[record.importance] = { works = sums.works + 1, cost = sums.cost + record.queued }
  end
end

local function end_buried()
  if #buried.pending == 0 then return end
  redis.call('ZREM', index_key('PENDING'), unpack(buried.pending))
  redis.call('UNLINK', unpack(buried.gone))
  for _, state in ipairs({ 'EXPIRED', 'CANCELLED' }) do
    if #buried[state] > 0 then redis.call('ZADD', index_key(state), unpack(buried[state])) end
  end
  for total, count in pairs(buried.totals) do redis.call('HINCRBY', totals_key, total, count) end
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

local FIELDS = { 'state', 'reason', 'name', 'partition', 'deadline', 'retention', 'queued', 'importance', 'successor',
  'permit', 'held' }

local function read(id)
  local record = {}
  for i, value in ipairs(redis.call('HMGET', work_key(id), unpack(FIELDS))) do record[FIELDS[i]] = value or nil end
  record.importance = record.importance or 'normal'
  return record
end

-- Why a pending work is dead, or nil if a worker is to ask about it.
local function death_of(id, record)
  if tonumber(record.deadline) <= now then return 'deadline passed' end
  local verdict, deadline = weigh(id, pulse_timeout)
  if UNWANTED[verdict] then return UNWANTED[verdict] end
  local others = line_before() - leaving > 1
  local late = others and verdict == 'wanted' and hopeless(record.name, record.partition, deadline - now)
  return late and 'not enough time left' or nil
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
  local id = id_of(message)
  if not id then return false end
  local record, reason = read(id), nil
  if not record.state then
    reason = death_without_record(id, message)
    if not reason then return false end
  elseif record.state == 'PENDING' then
    reason = death_of(id, record)
    if not reason then return false end
    if record.successor or record.permit or record.held then
      end_later(id, record, reason)
    elseif reason == 'not enough time left' then
      end_work(id, state_for(reason), reason)
    else
      bury(id, record, reason)
    end
  else
    local ended = record.state == 'CANCELLED' or record.state == 'EXPIRED'
    reason = ended and record.reason or 'duplicate delivery'
  end
  counts[reason] = (counts[reason] or 0) + 1
  if told == '1' then
    heads[#heads + 1] = head_of(message)
    heads[#heads + 1] = reason
  end
  return true
end

-- How many messages at the end of the list that workers take from are dead, up to the first that is not. (Places are
-- counted from that end: LRANGE and RPOP with a count would walk the whole list to get there.)
local function count_dead(list, most)
  local count = 0
  while count < most do
    local message = redis.call('LINDEX', list, -1 - count)
    if not message or not dead(message) then break end
    count = count + 1
  end
  return count
end

for _, importance in ipairs(IMPORTANCES) do
  local list = list_of(importance)
  local count = count_dead(list, limit)
  if count > 0 then redis.call('LTRIM', list, 0, -1 - count) end
  limit = limit - count
end
end_buried()
end_others()
local totals = {}
for reason, count in pairs(counts) do
  totals[#totals + 1] = reason
  totals[#totals + 1] = count
end
return { totals, heads, letters }
