-- Writes the record of a work that the ledger lost, from what its message says. The worker then asks again.
--
-- KEYS   lane
-- ARGV   `id`, `name`, `key`, `interest`, `retention` (ms) and `letter` as for submit; `deadline` in ms of this server's clock. The interest is taken as detached: a ledger that lost
--        the record may have lost the pulse too, and must not take that for lost interest.
-- Reply  1 if adopted, 0 if there is a record after all
--
-- @include keys
-- @include record
local id, name, key, interest, deadline, retention, letter = unpack(ARGV)
if redis.call('EXISTS', work_key(id)) == 1 then return 0 end
-- The key goes to the adopted work unless another holds it by now.
if key ~= '' and redis.call('HSETNX', key_key(key), name, id) == 0 then key = '' end
create(id, name, 'PENDING', key, string.gsub(interest, '^a:', 'd:', 1), tonumber(deadline), tonumber(retention), letter, 0)
redis.call('ZADD', index_key('PENDING'), now + FIRST_LOOK, id)
return 1
