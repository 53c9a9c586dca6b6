-- What there is to do now. Whoever asks looks after what it gets of the agenda; if it doesn't, the next one gets it in two
-- seconds. What is due is everybody's: the first to decide it has it.
--
-- KEYS   schedules
-- ARGV   `limit`: how many of each at most
-- Reply  { now (ms), changes of calendars, due, agenda, ms until there is more }: due are { id, revision, cursor, carry,
--        paused until }, agenda are { id, entry, revision, paused at, deleted, overtaken at, overtaken how, waiting }
--
-- @include keys
-- @include runs
local limit = unpack(ARGV)
local function until_now(key) return redis.call('ZRANGEBYSCORE', key, '-inf', now, 'LIMIT', 0, limit) end

local due = {}
for _, id in ipairs(until_now(due_key)) do
  local record = redis.call('HMGET', schedule_key(id), 'revision', 'cursor', 'carry', 'paused_until')
  if record[1] then
    due[#due + 1] = { id, record[1], record[2], record[3] or '', record[4] or 0 }
  else
    redis.call('ZREM', due_key, id)
  end
end

local agenda = {}
for _, member in ipairs(until_now(agenda_key)) do
  local instant, id = string.match(member, '^(%S+) (.*)$')
  look_at(id, instant, now + CLAIM)
  add_row(agenda, id, instant)
end

local function ms_until_more(key)
  local first = redis.call('ZRANGEBYSCORE', key, '(' .. now, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
  return first[2] and first[2] - now or 60000
end
return { now, redis.call('HGET', calendars_key, '') or '0', due, agenda,
  math.min(ms_until_more(due_key), ms_until_more(agenda_key)) }
