-- Fires instants of the past that have not run, or have failed. Those that wait, run or have completed are left alone.
--
-- KEYS   schedules
-- ARGV   the schedule's `id` and the `overlap` policy; then nominal times (ms)
-- Reply  { now (ms), triples of schedule, revision and entry that are claimed, entries } | { unknown }
--
-- @include keys
-- @include runs
local id, overlap = unpack(ARGV)
local record = redis.call('HMGET', schedule_key(id), 'revision', 'deleted')
if not record[1] or record[2] then return { 'unknown' } end

local entries = {}
for i = 3, #ARGV do
  local known = read_entry(id, ARGV[i])
  if not known or is_over(id, ARGV[i]) and known.state ~= 'COMPLETED' then
    local entry = { instant = ARGV[i], nominal = tonumber(ARGV[i]), cause = 'backfilled', decided_at = now,
      run = (known and known.run or 0) + 1 }
    fire(id, entry, overlap)
    entries[#entries + 1] = cjson.encode(entry)
  end
end
return { now, claimed, entries }
