-- Puts a failed run back, to be run again after a pause that it spends in the ledger.
--
-- KEYS   lane
-- ARGV   `attempt` is the fencing token; `delay` in ms; `failure` is the error so far, as JSON
-- Reply  { retrying } | { late }: it could not start before the deadline | { stopping }: nobody wants it | { stale }
-- Mail   the worker is to look when it is due
--
-- @include keys
-- @include clock
local id, attempt, delay, failure = unpack(ARGV)
local record = redis.call('HMGET', work_key(id), 'state', 'attempt', 'stopping', 'deadline', 'worker')
if record[1] ~= 'RUNNING' or record[2] ~= attempt then return { 'stale' } end
if record[3] then return { 'stopping' } end
if now + delay >= tonumber(record[4]) then return { 'late' } end
redis.call('HSET', work_key(id), 'state', 'PENDING', 'error', failure)
redis.call('HINCRBY', work_key(id), 'failures', 1)
redis.call('HDEL', work_key(id), 'worker', 'rung_at')
redis.call('ZREM', index_key('RUNNING'), id)
redis.call('ZADD', index_key('PENDING'), now + delay, id)
-- A letter that is no order: the worker's monitor looks anew at what is due when.
redis.call('RPUSH', mail_key(record[5]), cjson.encode({ id = id, attempt = 0, reason = 'to be tried again' }))
redis.call('PEXPIRE', mail_key(record[5]), MAIL_TTL)
return { 'retrying' }
