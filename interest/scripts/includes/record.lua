-- @include interest
-- @include order
-- Records and the life span they have while their work is live.

-- A record, an interest and a key live until the last deadline, then for the retention, and a little longer. A key is
-- shared by work types: it lives as long as the longest of theirs.
local function life_of(deadline, retention)
  return deadline - now + retention + MAIL_TTL
end

local function outlive(key, ttl)
  if redis.call('PTTL', key) < ttl then redis.call('PEXPIRE', key, ttl) end
end

local function keep(id, key, deadline, retention)
  local ttl = life_of(deadline, retention)
  redis.call('PEXPIRE', work_key(id), ttl)
  redis.call('PEXPIRE', interests_key(id), ttl)
  if key and key ~= '' then outlive(key_key(key), ttl) end
end

-- The permits of a group live as long as the records of its works, or those of lost works would stay where a partition
-- never comes again.
local function keep_permit(id, group, released)
  local ttl = redis.call('PTTL', work_key(id))
  outlive(permits_key(group), ttl)
  if released then outlive(released_key(group), ttl) end
end

-- The callers that were heard of in this call.
local heard = {}

local function note_interest(id, interest, deadline)
  redis.call('ZADD', interests_key(id), 'GT', deadline, interest)
  local caller = caller_of(interest)
  if heard[caller] or string.sub(interest, 1, 1) ~= 'a' then return end
  redis.call('ZADD', pulse_key, now, caller)
  heard[caller] = true
end

-- One more interest in a live work: its last deadline may move.
local function add_interest(id, interest, deadline)
  note_interest(id, interest, deadline)
  local last = redis.call('ZREVRANGE', interests_key(id), 0, 0, 'WITHSCORES')[2]
  local record = redis.call('HMGET', work_key(id), 'key', 'retention', 'deadline', 'state', 'worker', 'fence',
    'permit')
  redis.call('HSET', work_key(id), 'deadline', last)
  if record[4] == 'RUNNING' and record[3] ~= last then
    -- The run would trip its own token at the deadline that it knows.
    order(record[5], { id = id, fence = record[6], extend = last - now })
  end
  keep(id, record[1], tonumber(last), tonumber(record[2]))
  if record[7] then keep_permit(id, record[7], record[4] == 'PENDING') end
  redis.call('PEXPIRE', letter_key(id), life_of(tonumber(last), tonumber(record[2])))
end

-- A new record with its first interest. `work` has id, name, key, interest, deadline, retention, importance, partition
-- and letter; texts may be empty. The other fields are given in pairs.
local function create(work, ...)
  local fields = { 'name', work.name, 'submitted_at', now, 'deadline', work.deadline, 'retention', work.retention,
    'attempt', 0, 'failures', 0, ... }
  local function add(field, value)
    fields[#fields + 1] = field
    fields[#fields + 1] = value
  end
  if work.key ~= '' then add('key', work.key) end
  if work.importance ~= 'normal' then add('importance', work.importance) end
  if work.partition ~= '' then add('partition', work.partition) end
  redis.call('HSET', work_key(work.id), unpack(fields))
  if work.letter ~= '' then
    redis.call('SET', letter_key(work.id), work.letter, 'PX', life_of(work.deadline, work.retention))
  end
  note_interest(work.id, work.interest, work.deadline)
  keep(work.id, work.key, work.deadline, work.retention)
end
