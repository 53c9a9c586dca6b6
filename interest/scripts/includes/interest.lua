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

local looks = 512           -- interests looked at in this call; then 64 more for each work

-- Of a crowd whose callers are gone beyond doubt none need be looked at again; the last of them stands for all.
local function thin_out(id, interests)
  table.remove(interests)
  redis.call('ZREM', interests_key(id), unpack(interests))
end

-- Returns 'wanted' or 'doubt' with the latest deadline that counts, else 'expired', 'gone' or 'none'. Where more are silent
-- than can be looked at, it is 'doubt' until the rest has been looked at, too.
local function weigh(id, pulse_timeout)
  local verdict, latest, silences, silent, offset, page = nil, nil, {}, {}, 0, nil
  repeat
    page = redis.call('ZREVRANGEBYSCORE', interests_key(id), '+inf', '(' .. now, 'WITHSCORES', 'LIMIT', offset, 64)
    for i = 1, #page, 2 do
      if string.sub(page[i], 1, 1) == 'd' then return 'wanted', tonumber(page[i + 1]) end
      local caller = caller_of(page[i])
      silences[caller] = silences[caller] or now - (tonumber(redis.call('ZSCORE', pulse_key, caller)) or 0)
      if silences[caller] <= pulse_timeout then return 'wanted', tonumber(page[i + 1]) end
      verdict = verdict or (now - up_since() <= pulse_timeout and 'doubt' or 'gone')
      latest = latest or tonumber(page[i + 1])
      silent[#silent + 1] = page[i]
    end
    offset, looks = offset + 64, looks - 64
  until #page < 128 or looks <= 0
  if verdict == 'gone' and #page == 128 then
    thin_out(id, silent)
    return 'doubt', tonumber(page[128])
  end
  if verdict then return verdict, latest end
  if redis.call('EXISTS', interests_key(id)) == 1 then return 'expired' end
  return 'none'
end

-- The reason that goes with each way of not being wanted.
local UNWANTED = { expired = 'deadline passed', gone = 'caller gone', none = 'withdrawn by its callers' }

local function state_for(reason)
  return (reason == 'deadline passed' or reason == 'not enough time left') and 'EXPIRED' or 'CANCELLED'
end
