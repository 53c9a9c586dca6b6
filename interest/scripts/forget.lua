-- Removes the records of ended works.
--
-- KEYS   lane
-- ARGV   `older_than` in ms: only works that ended at least so long ago; then work ids
-- Reply  how many were removed
--
-- @include keys
-- @include clock
local older_than = unpack(ARGV)
local removed = 0
for i = 2, #ARGV do
  local record = redis.call('HMGET', work_key(ARGV[i]), 'state', 'finished_at', 'deadline')
  if record[1] and record[1] ~= 'PENDING' and record[1] ~= 'RUNNING' and now - record[2] >= tonumber(older_than) then
    redis.call('ZREM', index_key(record[1]), ARGV[i])
    redis.call('DEL', work_key(ARGV[i]))
    -- At least as long as somebody may submit it once more, not knowing whether he did.
    local left = math.max(tonumber(record[3]) - now, MAIL_TTL)
    redis.call('SET', tombstone_key(ARGV[i]), '', 'PX', left)
    removed = removed + 1
  end
end
return removed
