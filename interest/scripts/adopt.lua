-- Writes the record of a work that the ledger lost, from what its message says. The worker then asks again.
--
-- KEYS   lane
-- ARGV   as for submit; `deadline` in ms of this server's clock. The interest is taken as detached: a ledger that lost
--        the record may have lost the pulse too, and must not take that for lost interest.
-- Reply  1 if adopted, 0 if there is a record after all
--
-- @include keys
-- @include interest
-- @include record
local id, name, key, interest, deadline, retention, letter = unpack(ARGV)
if redis.call('EXISTS', work_key(id)) == 1 then return 0 end
redis.call('HSET', work_key(id), 'name', name, 'state', 'PENDING', 'submitted_at', now, 'attempt', 0, 'failures', 0,
  'losses', 0, 'rings', 0, 'retention', retention, 'letter', letter)
if key ~= '' and redis.call('HSETNX', key_key(key), name, id) == 1 then redis.call('HSET', work_key(id), 'key', key) end
redis.call('ZADD', index_key('PENDING'), now + 10000, id)
add_interest(id, string.gsub(interest, '^a:', 'd:', 1), tonumber(deadline), tonumber(retention))
return 1
