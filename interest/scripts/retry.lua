-- Puts a failed run back, to be run again after a pause that it spends in the ledger.
--
-- KEYS   lane, and the queue's list where the broker is this Redis
-- ARGV   `fence` is the claim's fencing token; `delay` in ms; `failure` is the error so far, as JSON
-- Reply  { retrying, letters } | { late }: it could not start before the deadline | { stopping }: nobody wants it
--        | { stale }
-- Mail   the worker is to look when it is due
--
-- @include keys
-- @include ending
-- @include spent
local id, fence, delay, failure = unpack(ARGV)
local record = redis.call('HMGET', work_key(id), 'state', 'fence', 'stopping', 'deadline', 'worker', 'permit',
  'started_at')
if record[1] ~= 'RUNNING' or record[2] ~= fence then return { 'stale' } end
if record[3] then return { 'stopping' } end
if now + delay >= tonumber(record[4]) then return { 'late' } end
note_spent(record[7], false)
redis.call('HSET', work_key(id), 'state', 'PENDING', 'error', failure, 'due', now + delay)
redis.call('HINCRBY', work_key(id), 'failures', 1)
redis.call('HDEL', work_key(id), 'worker', 'rung_at')
redis.call('ZREM', index_key('RUNNING'), id)
make_room(id, { state = 'RUNNING', permit = record[6] })
redis.call('ZADD', index_key('PENDING'), now + delay, id)
-- A letter that is no order: the worker's monitor looks anew at what is due when.
order(record[5], { id = id, fence = '' })
return { 'retrying', letters }
