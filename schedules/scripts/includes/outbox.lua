-- @include keys
-- @include clock
-- What the SQL mirror has not yet, if there is a mirror: each entry as it is now, behind the number of its last change. A
-- later number is a later change, also where an outbox was given up, or Redis has lost its last second: it is never behind
-- the time.

local MOST_UNMIRRORED = 100000   -- entries, of some four hundred bytes; then it is to read all histories again
local mail = nil                 -- of this script: its number, and how many entries find room

local function next_number()
  local number = string.format('%d', math.max(redis.call('HGET', outbox_key, '#') + 1, now))
  redis.call('HSET', outbox_key, '#', number)
  return number
end

local function tell_mirror(id, instant, text)
  if mail == nil then
    mail = redis.call('HEXISTS', outbox_key, '') == 1 and {
      number = next_number(),
      room = MOST_UNMIRRORED - redis.call('HLEN', outbox_key)
    }
  end
  if not mail then return end
  local member = instant .. ' ' .. id
  mail.room = mail.room - 1
  if mail.room >= 0 or redis.call('HEXISTS', outbox_key, member) == 1 then
    redis.call('HSET', outbox_key, member, mail.number .. ' ' .. text)
  else
    redis.call('HINCRBY', outbox_key, '', 1)
  end
end
