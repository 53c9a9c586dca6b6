-- Ends a work for all its callers, whatever they want.
--
-- KEYS   lane, and the queue's list where the broker is this Redis
-- ARGV   `state` is CANCELLED or FAILED; `failure` is JSON or empty; `how` is stop, kill (a run gets no grace period) or
--        unstarted (a run goes on, and a work that is unknown yet never comes in)
-- Reply  { state it was in or an empty text, letters }
-- Mail   the callers get the outcome at once; a run is told to stop
--
-- @include keys
-- @include ending
local id, state, reason, failure, how = unpack(ARGV)
local was = redis.call('HGET', work_key(id), 'state') or ''
-- FAILED is for a worker that does not know the type: where another one runs the work, it does.
local stops = was == 'RUNNING' and state == 'CANCELLED' and how ~= 'unstarted'
if was == 'PENDING' or stops then dismiss(id, state, reason, failure ~= '' and failure or nil) end
if stops and how == 'kill' then kill_run(id) end
-- It may be on its way here.
if was == '' and how == 'unstarted' then redis.call('SET', tombstone_key(id), '', 'PX', MAIL_TTL) end
return { was, letters }
