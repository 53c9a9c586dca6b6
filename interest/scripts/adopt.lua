-- Writes the record of a work that the ledger lost, from what its message says. The worker then asks again.
--
-- KEYS   lane
-- ARGV   as for submit; `deadline` in ms of this server's clock. The interest is taken as detached: a ledger that lost
--        the record may have lost the pulse too, and must not take that for lost interest.
-- Reply  1 if adopted, 0 if there is a record after all
--
-- @include keys
-- @include record
local id, name, key, partition, importance, interest, deadline, retention, letter = unpack(ARGV)
if redis.call('EXISTS', work_key(id)) == 1 then return 0 end
-- The key goes to the adopted work unless a live one holds it by now.
local holder = key ~= '' and redis.call('HGET', key_key(key), name)
local state = holder and redis.call('HGET', work_key(holder), 'state')
if state == 'PENDING' or state == 'RUNNING' then key = '' end
if key ~= '' then redis.call('HSET', key_key(key), name, id) end
create({ id = id, name = name, key = key, partition = partition, importance = importance,
  interest = string.gsub(interest, '^a:', 'd:', 1), deadline = tonumber(deadline), retention = tonumber(retention),
  letter = letter }, 'state', 'PENDING', 'rings', 0)
redis.call('ZADD', index_key('PENDING'), now + FIRST_LOOK, id)
return 1
