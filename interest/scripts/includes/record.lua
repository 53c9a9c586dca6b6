-- @include interest
-- Interests and the life span of a live record.

-- Adds an interest, tells when the work's last deadline is now, and keeps the record alive until then and beyond.
local function add_interest(id, interest, deadline, retention)
  redis.call('ZADD', interests_key(id), 'GT', deadline, interest)
  local last = tonumber(redis.call('ZREVRANGE', interests_key(id), 0, 0, 'WITHSCORES')[2])
  redis.call('HSET', work_key(id), 'deadline', last)
  local ttl = last - now + retention + MAIL_TTL
  redis.call('PEXPIRE', work_key(id), ttl)
  redis.call('PEXPIRE', interests_key(id), ttl)
  local key = redis.call('HGET', work_key(id), 'key')
  if key then redis.call('PEXPIRE', key_key(key), ttl) end
  if string.sub(interest, 1, 1) == 'a' then redis.call('ZADD', pulse_key, now, caller_of(interest)) end
end
