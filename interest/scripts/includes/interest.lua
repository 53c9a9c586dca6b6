-- @include clock
-- Who still wants a work. An interest is `a:<caller>:<n>` (attached: it dies with the caller's pulse) or
-- `d:<caller>:<n>` (detached: it lives until its deadline), scored by its deadline.

local EVIDENCE_GAP = 3000   -- ms; somebody beats every second or two: a longer silence means the ledger was away

-- Since when the ledger has been up beyond doubt: a silence of everybody is the ledger's, not the callers'.
local function up_since()
  local evidence = redis.call('HMGET', evidence_key, 'last', 'since')
  if not evidence[1] or now - evidence[1] > EVIDENCE_GAP then return now end
  return tonumber(evidence[2])
end

local function give_evidence()
  redis.call('HSET', evidence_key, 'since', up_since(), 'last', now)
end

local function caller_of(interest)
  return string.match(interest, '^%a:(.*):%d+$')
end

-- Returns 'wanted' or 'doubt' with the latest deadline that counts, else 'expired', 'gone' or 'none'.
local function weigh(id, pulse_timeout)
  local since, verdict, deadline, offset = nil, nil, nil, 0
  repeat
    local page = redis.call('ZREVRANGEBYSCORE', interests_key(id), '+inf', '(' .. now, 'WITHSCORES', 'LIMIT', offset, 64)
    for i = 1, #page, 2 do
      if string.sub(page[i], 1, 1) == 'd' then return 'wanted', tonumber(page[i + 1]) end
      local silent = now - (tonumber(redis.call('ZSCORE', pulse_key, caller_of(page[i]))) or 0)
      if silent <= pulse_timeout then return 'wanted', tonumber(page[i + 1]) end
      since = since or up_since()
      if now - since <= pulse_timeout then
        verdict, deadline = 'doubt', deadline or tonumber(page[i + 1])
      else
        verdict = verdict or 'gone'
      end
    end
    offset = offset + 64
  until #page < 128
  if verdict then return verdict, deadline end
  if redis.call('EXISTS', interests_key(id)) == 1 then return 'expired' end
  return 'none'
end

-- The reason that goes with each way of not being wanted.
local UNWANTED = { expired = 'deadline passed', gone = 'caller gone', none = 'withdrawn by its callers' }

local function state_for(reason)
  return (reason == 'deadline passed' or reason == 'not enough time left') and 'EXPIRED' or 'CANCELLED'
end
