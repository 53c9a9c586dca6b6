-- A worker ends in order: it is no longer listed, and its mailbox goes.
--
-- KEYS   lane
-- ARGV   `worker` that ends
-- Reply  1
--
-- @include keys
local worker = unpack(ARGV)
local slots = tonumber(redis.call('HGET', slots_key, worker)) or 0
redis.call('ZREM', workers_key, worker)
redis.call('HDEL', slots_key, worker)
redis.call('DEL', mail_key(worker))
-- Those of the others stay known: where nothing is known about slots everybody is let in.
if slots > 0 and redis.call('HINCRBY', load_key, 'slots', -slots) <= 0 then redis.call('HDEL', load_key, 'slots') end
return 1
