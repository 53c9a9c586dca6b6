-- @include entries
-- How an instant comes to run, and what it leaves when it is over.

local CLAIM = 2000          -- ms after which a peer takes over what was claimed and not published
local MOST_OPEN = 500       -- runs of one schedule at a time, those claimed included
local MOST_BUFFERED = 250   -- instants of one schedule that wait

-- Triples of schedule, revision and entry: the instants that this call has claimed, for its caller to publish.
local claimed = {}

local function look_at(id, instant, at)
  redis.call('ZADD', agenda_key, at, instant .. ' ' .. id)
end

local function skip(id, entry, why)
  entry.status, entry.why = 'skipped', why
  write_entry(id, entry)
end

-- From here on exactly one work stands for the instant, whoever publishes it and however often: its id is made of nothing
-- else. A schedule that was deleted and made anew is another one.
local function claim(id, entry)
  local record = redis.call('HMGET', schedule_key(id), 'lane', 'created_at', 'revision')
  local name = id .. '@' .. entry.instant .. '/' .. entry.run .. ' ' .. record[2]
  entry.status, entry.claimed_at = 'claimed', now
  entry.work = record[1] .. '.' .. string.sub(redis.sha1hex(name), 1, 32)
  write_entry(id, entry)
  redis.call('ZADD', open_key(id), entry.nominal, entry.instant)
  look_at(id, entry.instant, now + CLAIM)
  claimed[#claimed + 1] = id
  claimed[#claimed + 1] = record[3]
  claimed[#claimed + 1] = cjson.encode(entry)
end

local function buffer(id, entry, overlap)
  entry.status, entry.overlap = 'buffered', overlap
  write_entry(id, entry)
  redis.call('ZADD', buffered_key(id), entry.nominal, entry.instant)
end

local function drop_buffered(id, why)
  for _, instant in ipairs(redis.call('ZRANGE', buffered_key(id), 0, -1)) do
    local entry = read_entry(id, instant)
    if entry then skip(id, entry, why) end
  end
  redis.call('DEL', buffered_key(id))
end

local function look_at_open(id)
  for _, instant in ipairs(redis.call('ZRANGE', open_key(id), 0, -1)) do look_at(id, instant, now) end
end

-- Claims the instant, or does what the overlap policy says where an earlier run has not ended.
local function fire(id, entry, overlap)
  local open = redis.call('ZCARD', open_key(id))
  local waiting = redis.call('ZCARD', buffered_key(id))
  if open >= MOST_OPEN then
    skip(id, entry, open .. ' runs go on')
  elseif open == 0 or overlap == 'allow_all' then
    claim(id, entry)
  elseif overlap == 'skip' then
    skip(id, entry, 'the run before goes on')
  elseif overlap == 'cancel_other' or overlap == 'kill_other' then
    -- Whoever looks at a run that was claimed until now stops it: see following.py.
    drop_buffered(id, 'overtaken')
    buffer(id, entry, overlap)
    redis.call('HSET', schedule_key(id), 'overtaken_at', now, 'overtaken_how', overlap)
    look_at_open(id)
  elseif waiting >= (overlap == 'buffer_one' and 1 or MOST_BUFFERED) then
    skip(id, entry, waiting .. ' wait already')
  else
    buffer(id, entry, overlap)
  end
end

-- Nobody decides anything for it any more, what waits is dropped, and whoever looks at what is open ends what has not
-- started: all that was claimed until now.
local function pause(id, reason, actor)
  redis.call('HSET', schedule_key(id), 'paused', reason, 'paused_by', actor, 'paused_at', now)
  redis.call('ZREM', due_key, id)
  drop_buffered(id, 'paused')
  look_at_open(id)
end

local function purge(id)
  redis.call('UNLINK', schedule_key(id), open_key(id), buffered_key(id), history_key(id), entries_key(id))
end

-- The instant is not open any more: whoever waited for that is claimed.
local function close(id, instant)
  redis.call('ZREM', open_key(id), instant)
  redis.call('ZREM', agenda_key, instant .. ' ' .. id)
  local open = redis.call('ZCARD', open_key(id))
  if redis.call('HEXISTS', schedule_key(id), 'deleted') == 1 then
    if open == 0 then purge(id) end
    return
  end
  -- All that was overtaken is over: what is claimed now, be it in the same millisecond, is not.
  if open == 0 then redis.call('HDEL', schedule_key(id), 'overtaken_at', 'overtaken_how') end
  local waiting = redis.call('ZRANGE', buffered_key(id), 0, 0)[1]
  local entry = waiting and read_entry(id, waiting)
  -- The others wait for the end of all runs, of which there may be more after a change of policy.
  if entry and (open == 0 or entry.overlap == 'buffer_all') then
    redis.call('ZREM', buffered_key(id), waiting)
    claim(id, entry)
  end
end

-- What one needs to look after an open instant: schedule, entry, and what may have come over it meanwhile.
local ROW = { 'revision', 'paused_at', 'deleted', 'overtaken_at', 'overtaken_how' }
local function add_row(rows, id, instant)
  local entry = redis.call('HGET', entries_key(id), instant)
  local record = redis.call('HMGET', schedule_key(id), unpack(ROW))
  if not entry or not record[1] then
    redis.call('ZREM', agenda_key, instant .. ' ' .. id)
    redis.call('ZREM', open_key(id), instant)
    return
  end
  rows[#rows + 1] = { id, entry, record[1], record[2] or 0, record[3] or '', record[4] or 0, record[5] or '',
    redis.call('ZCARD', buffered_key(id)) }
end
