-- Lets a paused schedule go on. The instants of the pause are decided as skipped, by whoever looks first.
--
-- KEYS   schedules
-- ARGV   the schedule's `id`
-- Reply  1, 0 if it was not paused, -1 if there is none
--
-- @include keys
-- @include clock
local id = unpack(ARGV)
local record = redis.call('HMGET', schedule_key(id), 'revision', 'paused', 'deleted')
if not record[1] or record[3] then return -1 end
if not record[2] then return 0 end
redis.call('HDEL', schedule_key(id), 'paused', 'paused_by', 'paused_at')
redis.call('HSET', schedule_key(id), 'paused_until', now, 'failures', 0)
redis.call('ZADD', due_key, now, id)
return 1
