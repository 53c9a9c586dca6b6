-- Ends a run: with a result, or with an error.
--
-- KEYS   lane, and the queue's list where the broker is this Redis
-- ARGV   `fence` is the claim's fencing token; `result` and `failure` are JSON texts or empty; `name`, `interest`
--        and `retention` (ms) stand in for the record where the ledger lost it while the work ran;
--        `pulse_timeout` in ms
-- Reply  { state it ended in, reason, letters } | { stale }: another claim owns the work now, nothing was changed
-- Mail   the callers get the outcome
--
-- A work that was told to stop ends as that, whatever the run made of it: its callers have been told already.
--
-- @include keys
-- @include ending
-- @include record
-- @include expected
-- @include spent
local id, fence, state, reason, result, failure, name, interest, retention, pulse_timeout = unpack(ARGV)
local record = redis.call('HMGET', work_key(id), 'state', 'fence', 'stopping', 'reason', 'started_at', 'partition',
  'deadline')

if not record[1] then
  if redis.call('EXISTS', tombstone_key(id)) == 1 then return { 'stale' } end
  create({ id = id, name = name, key = '', partition = '', importance = 'normal', interest = interest, deadline = now,
    retention = tonumber(retention), letter = '' },
    'state', 'RUNNING', 'attempt', string.match(fence, '^%d+'), 'fence', fence)
elseif record[2] ~= fence or record[1] == 'PENDING' then
  return { 'stale' }
elseif record[1] ~= 'RUNNING' then
  -- Said before, and the reply was lost on the way.
  return { record[1], record[4] or '', letters }
end
if record[5] then learn_runtime(name, record[6] or nil, now - record[5], state ~= 'COMPLETED') end
if record[3] then state, reason, result, failure = state_for(record[3]), record[3], '', '' end
-- The last deadline that the run knew of has passed, and a caller with a later one has joined meanwhile.
if reason == 'deadline passed' and not record[3] and not UNWANTED[weigh(id, tonumber(pulse_timeout))] then
  note_spent(record[5], false)
  put_back(id, 0, 1, tonumber(pulse_timeout))
  return { 'PENDING', reason, letters }
end
note_spent(record[5], (state == 'COMPLETED' or state == 'FAILED') and now <= (tonumber(record[7]) or now))
end_work(id, state, reason, result ~= '' and result or nil, failure ~= '' and failure or nil)
return { state, reason, letters }
