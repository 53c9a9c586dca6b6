-- Fires a schedule now, by hand.
--
-- KEYS   schedules
-- ARGV   the schedule's `id`; `nominal` is the time now (ms) and `nonce` names this very call: sent again, it finds what it
--        fired; `overlap` is the policy; `keep` and `keep_for` as for decide
-- Reply  { now (ms), triples of schedule, revision and entry that are claimed, entry } | { unknown }
--
-- @include keys
-- @include runs
local id, nominal, nonce, overlap, keep, keep_for = unpack(ARGV)
local record = redis.call('HMGET', schedule_key(id), 'revision', 'deleted')
if not record[1] or record[2] then return { 'unknown' } end
nominal = tonumber(nominal)
local known = read_entry(id, nominal .. 't')
while known and known.nonce ~= nonce do
  nominal = nominal + 1
  known = read_entry(id, nominal .. 't')
end
local entry = known or { instant = nominal .. 't', nominal = nominal, cause = 'triggered', run = 1, decided_at = now,
  nonce = nonce }
if not known then fire(id, entry, overlap) end
trim(id, tonumber(keep), tonumber(keep_for))
return { now, claimed, cjson.encode(entry) }
