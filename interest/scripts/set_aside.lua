-- Keeps messages that no worker can run aside for inspection, and counts them.
--
-- KEYS   lane
-- ARGV   `most` that are kept, the newest; `ttl` in ms from the last of them; `counts` is JSON: how many by reason, those
--        included that are not kept; then the entries (JSON)
-- Reply  how many are kept now
-- Mail   none
--
-- @include keys
-- @include clock
local most, ttl, counts = unpack(ARGV)
for reason, count in pairs(cjson.decode(counts)) do
  redis.call('HINCRBY', totals_key, 'ASIDE: ' .. reason, count)
end
for i = 4, #ARGV do redis.call('LPUSH', aside_key, now .. ' ' .. ARGV[i]) end
redis.call('LTRIM', aside_key, 0, most - 1)
redis.call('PEXPIRE', aside_key, ttl)
return redis.call('LLEN', aside_key)
