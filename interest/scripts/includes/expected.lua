-- @include clock
-- How long a run of a work type takes, learned from the runs before, from claim to finish.
--
-- Mean and mean deviation are kept as RFC 6298 does for round-trip times, with gains of 1/8 and 1/4; a single outlier
-- counts as twice the mean at most. Where run times are steady the deviation is a margin on top; where they are not, the
-- type's mean says too little about one run to ask for more than itself. A partition of a type has an
-- estimate of its own; until it has run, the type's stands for it, and until that has run, what the type declares.

local STALE = 1000          -- ms without a finished run (beyond one run's length) after which the estimate is tested
local REMEMBERED = 86400000 -- ms that a partition's estimate is kept

local function read_runtime(text)
  local mean, deviation, at = string.match(text, '^(%S+) (%S+) (%S+)$')
  return tonumber(mean), tonumber(deviation), tonumber(at)
end

local function write_runtime(mean, deviation)
  return string.format('%.3f %.3f %d', mean, deviation, now)
end

local function partition_runtime(name, partition)
  return partition and redis.call('GET', runtime_key(name .. ' ' .. partition))
end

-- What has been read: by type and partition.
local known = {}

local function look_up(name, partition)
  local text = partition_runtime(name, partition) or redis.call('HGET', runtimes_key, name)
  if text then return { read_runtime(text) } end
  local declared = redis.call('HGET', limits_key, 'expected ' .. name)
  return declared and { tonumber(declared), 0, now } or {}
end

-- Mean, mean deviation and when the estimate was last made; nothing where nothing is known.
local function known_runtime(name, partition)
  local group = name .. ' ' .. (partition or '')
  known[group] = known[group] or look_up(name, partition)
  return unpack(known[group])
end

local function note_runtime(name, partition, text)
  known = {}
  if partition then
    redis.call('SET', runtime_key(name .. ' ' .. partition), text, 'PX', REMEMBERED)
  else
    redis.call('HSET', runtimes_key, name, text)
  end
end

local function learn_from(name, partition, text, took, cut)
  if not text then
    if not cut then note_runtime(name, partition, write_runtime(took, took / 2)) end
    return
  end
  local mean, deviation = read_runtime(text)
  if cut and took < mean then return end
  local off = math.min(took, 2 * mean + 1) - mean
  note_runtime(name, partition, write_runtime(mean + off / 8, deviation + (math.abs(off) - deviation) / 4))
end

-- `cut` if the run was stopped before its end: it would have taken at least this long.
local function learn_runtime(name, partition, took, cut)
  -- A promoted replica's clock may be behind: below nothing the cap of outliers would turn round, and the mean run away.
  took = math.max(took, 0)
  learn_from(name, nil, redis.call('HGET', runtimes_key, name), took, cut)
  if partition then learn_from(name, partition, partition_runtime(name, partition), took, cut) end
end

-- What a run adds to the lane's load: whole ms, 0 where nothing is known.
local function cost_of(name, partition)
  return math.floor((known_runtime(name, partition) or 0) + 0.5)
end

local function steady(mean, deviation)
  return 4 * deviation <= mean / 2
end

-- Whether so little time is left that a run of this type would hardly end in it, as far as is known of late.
local function hopeless(name, partition, left)
  local mean, deviation, at = known_runtime(name, partition)
  if not mean or now - at > mean + STALE then return false end
  return left < mean + (steady(mean, deviation) and 2 * deviation or 0)
end
