-- Pauses a schedule: what it queued and has not started is to be ended by the caller, and by every scheduler if it doesn't.
--
-- KEYS   schedules
-- ARGV   the schedule's `id`; `reason` and `actor` are texts
-- Reply  1, 0 if it was paused already, -1 if there is none
--
-- @include keys
-- @include runs
local id, reason, actor = unpack(ARGV)
local record = redis.call('HMGET', schedule_key(id), 'revision', 'paused', 'deleted')
if not record[1] or record[3] then return -1 end
if record[2] then return 0 end
pause(id, reason, actor)
return 1
