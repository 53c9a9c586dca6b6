-- Takes works in that differ in little else than their payload, or finds the one that holds their key, and rings. Many in
-- one call cost less than half of what they cost one by one.
--
-- KEYS   lane, and the queue's list where the broker is this Redis
-- ARGV   as named below; `timeout`, `delay` and `retention` in ms; `key` may be empty; `on_duplicate` is join, reject,
--        replace, or once: join, and what the function made of the key is the answer while its record is kept, but a
--        duplicate if the key came with a payload of another `digest`, which may be empty;
--        `importance` is critical, normal or sheddable; `latest` is when (ms of this server's clock) the caller
--        has lost the right to submit, or 0. Then, for each work, `id`, `interest` as in includes/interest.lua,
--        `partition`, which may be empty, and `letter`, the end of the Celery message
-- Reply  { letters to publish, then for each work { accepted | joined | duplicate, id of the work, ms left }
--        | { rejected, reason, ms after which to try again } | { late, an empty text, 0 } }
-- Mail   replaced callers get their outcome, a replaced run is told to stop
--
-- Sending it twice for the same id does no harm: the second finds the first.
--
-- @include keys
-- @include ending
-- @include record
-- @include admission
local name, key, importance, on_duplicate, digest, timeout, delay, retention, latest = unpack(ARGV)
local deadline = now + timeout
local delayed = tonumber(delay) > 0
timeout, retention, latest = tonumber(timeout), tonumber(retention), tonumber(latest)

local function running(other)
  return other and redis.call('HGET', work_key(other), 'state') == 'RUNNING' and other
end

local function submit(id, interest, partition, letter)
  if redis.call('EXISTS', work_key(id), tombstone_key(id)) > 0 then
    -- What has ended and is forgotten already must not run again.
    return { 'accepted', id, (redis.call('HGET', work_key(id), 'deadline') or deadline) - now }
  end

  if latest > 0 and now > latest then return { 'late', '', 0 } end

  local predecessor, replaced, room = nil, nil, 0
  if key ~= '' then
    local other = redis.call('HGET', key_key(key), name)
    local found = other and redis.call('HMGET', work_key(other), 'state', 'stopping', 'predecessor', 'digest') or {}
    local live = found[1] == 'PENDING' or found[1] == 'RUNNING'
    if on_duplicate == 'once' and (found[1] == 'COMPLETED' or found[1] == 'FAILED' or live and not found[2]) then
      if found[4] and found[4] ~= digest then return { 'duplicate', other, 0 } end
      if not live then return { 'joined', other, 0 } end
    end
    if live then
      if on_duplicate == 'reject' then return { 'duplicate', other, 0 } end
      if (on_duplicate == 'join' or on_duplicate == 'once') and not found[2] then
        add_interest(other, interest, deadline)
        return { 'joined', other, timeout }
      end
      -- Replaced, or being stopped already: the new one starts when the old run is over.
      predecessor = found[1] == 'RUNNING' and other or running(found[3])
      replaced = not found[2] and other
      if replaced and found[1] == 'PENDING' then room = 1 end
    end
  end

  local in_partition = partition ~= '' and partition or nil
  local refusal, ms = refuse(name, in_partition, importance, delayed and math.huge or timeout, room)
  if refusal then
    redis.call('HINCRBY', totals_key, 'REJECTED: ' .. refusal, 1)
    return { 'rejected', refusal, math.ceil(ms) }
  end

  if replaced then dismiss(replaced, 'CANCELLED', 'replaced by newer work of the same key') end
  if key ~= '' then redis.call('HSET', key_key(key), name, id) end
  local work = { id = id, name = name, key = key, partition = partition, importance = importance, interest = interest,
    deadline = deadline, retention = retention, letter = letter }
  local more = digest ~= '' and { 'digest', digest } or {}
  if delayed then
    create(work, 'state', 'PENDING', 'rings', 0, 'due', now + delay, unpack(more))
    redis.call('ZADD', index_key('PENDING'), now + delay, id)
  else
    local cost = cost_of(name, in_partition)
    create(work, 'state', 'PENDING', 'rings', 1, 'rung_at', now, 'queued', cost, unpack(more))
    enter_queue(importance, cost)
    publish(id, 1, deadline, letter, importance)
  end
  if predecessor then
    redis.call('HSET', work_key(id), 'predecessor', predecessor)
    redis.call('HSET', work_key(predecessor), 'successor', id)
  end
  return { 'accepted', id, timeout }
end

local reply = { letters }
for i = 10, #ARGV, 4 do reply[#reply + 1] = submit(unpack(ARGV, i, i + 3)) end
return reply
