-- Ends a work for all its callers, whatever they want.
--
-- KEYS   lane, and the queue's list where the broker is this Redis
-- ARGV   `state` is CANCELLED or FAILED; `failure` is JSON or empty
-- Reply  { state it was in or an empty text, letters }
-- Mail   the callers get the outcome at once; a run is told to stop
--
-- @include keys
-- @include ending
local id, state, reason, failure = unpack(ARGV)
local was = redis.call('HGET', work_key(id), 'state') or ''
-- FAILED is for a worker that does not know the type: where another one runs the work, it does.
if was == 'PENDING' or was == 'RUNNING' and state == 'CANCELLED' then dismiss(id, state, reason, failure ~= '' and failure or nil) end
return { was, letters }
