-- @include keys
-- @include clock
-- @include outbox
-- What is known of each instant: an entry, kept as JSON, with the fields of `Entry` in entries.py. An instant is named by
-- its nominal time in ms, with a `t` behind it where somebody triggered it by hand, and an `r` where the entry stands for a
-- row of instants with the same fate.

local TRIMMED_AT_ONCE = 20

local function read_entry(id, instant)
  local text = redis.call('HGET', entries_key(id), instant)
  return text and cjson.decode(text)
end

local function write_entry(id, entry)
  local text = cjson.encode(entry)
  redis.call('HSET', entries_key(id), entry.instant, text)
  redis.call('ZADD', history_key(id), entry.nominal, entry.instant)
  tell_mirror(id, entry.instant, text)
end

local function is_over(id, instant)
  return not redis.call('ZSCORE', open_key(id), instant) and not redis.call('ZSCORE', buffered_key(id), instant)
end

-- Takes the oldest out of the history: what is more than `keep` entries, or was decided more than `keep_for` ms ago.
local function trim(id, keep, keep_for)
  local excess = redis.call('ZCARD', history_key(id)) - keep
  for i, instant in ipairs(redis.call('ZRANGE', history_key(id), 0, TRIMMED_AT_ONCE - 1)) do
    if i > excess then
      local entry = read_entry(id, instant)
      if entry and entry.decided_at >= now - keep_for then break end
    end
    if is_over(id, instant) then
      redis.call('ZREM', history_key(id), instant)
      redis.call('HDEL', entries_key(id), instant)
    end
  end
end
