-- A worker ends in order: it is no longer listed, and its mailbox goes.
--
-- KEYS   lane
-- ARGV   `worker` that ends
-- Reply  1
--
-- @include keys
local worker = unpack(ARGV)
redis.call('ZREM', workers_key, worker)
redis.call('HDEL', slots_key, worker)
redis.call('DEL', mail_key(worker))
-- Counted anew with the next heartbeat of another.
redis.call('HDEL', load_key, 'slots')
return 1
