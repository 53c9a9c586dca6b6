-- Notes what became of the publication of a claimed instant.
--
-- KEYS   schedules
-- ARGV   the schedule's `id` and the `instant`; `work` is the id that the claim has, `runs_as` the one that the ledger answered
--        with; `how` is fired (looked at in `again` ms), later (no room: submitted again in `again` ms), or missed, for the
--        reason `why`
-- Reply  { now (ms), triples of schedule, revision and entry that are claimed instead } | { stale }: it is not claimed any more
--
-- @include keys
-- @include runs
local id, instant, work, runs_as, how, why, again = unpack(ARGV)
local entry = read_entry(id, instant)
if not entry or entry.status ~= 'claimed' or entry.work ~= work then return { 'stale' } end
if how == 'later' then
  look_at(id, instant, now + again)
  return { now, claimed }
end
entry.status, entry.work, entry.why = how, runs_as, why ~= '' and why or nil
if how == 'fired' then
  entry.published_at = now
  write_entry(id, entry)
  look_at(id, instant, now + again)
else
  write_entry(id, entry)
  close(id, instant)
end
return { now, claimed }
