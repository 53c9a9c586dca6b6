-- @include keys
-- What the SQL mirror has not yet, if there is a mirror: each entry as it is now, behind the number of its last change. A
-- later number is a later change, also after an outbox was given up: it begins with the time.

local MOST_UNMIRRORED = 100000   -- entries, of some four hundred bytes; then it is to read all histories again
local mail = nil                 -- of this script: its number, and how many entries find room

local function tell_mirror(id, instant, text)
  if mail == nil then
    mail = redis.call('HEXISTS', outbox_key, '') == 1 and {
      number = string.format('%d', redis.call('HINCRBY', outbox_key, '#', 1)),
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
