-- One caller no longer wants a work. With the last one it ends, or its run is told to stop.
--
-- KEYS   lane, and the queue's list where the broker is this Redis
-- ARGV   `name` and `key` of the work, `key` may be empty; `pulse_timeout` in ms
-- Reply  { state now or an empty text, letters }
-- Mail   the worker, if a run has to stop
--
-- @include keys
-- @include ending
local id, interest, name, key, pulse_timeout = unpack(ARGV)
-- Where the ledger lost the record, adopt.lua has taken the interest as detached.
local removed = redis.call('ZREM', interests_key(id), interest, (string.gsub(interest, '^a:', 'd:', 1)))
-- The submission may have joined another work, and its reply have been lost on the way.
if removed == 0 and key ~= '' then
  id = redis.call('HGET', key_key(key), name) or id
  removed = redis.call('ZREM', interests_key(id), interest)
end
local state = redis.call('HGET', work_key(id), 'state') or ''
if removed > 0 then
  local reason = UNWANTED[weigh(id, tonumber(pulse_timeout))]
  if reason == 'deadline passed' then reason = UNWANTED.none end
  if reason and state == 'PENDING' then
    end_work(id, 'CANCELLED', reason)
    state = 'CANCELLED'
  elseif reason and state == 'RUNNING' then
    stop_run(id, reason)
  end
end
return { state, letters }
