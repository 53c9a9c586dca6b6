-- Notes what is seen of a run that goes on, and when to look at it next.
--
-- KEYS   schedules
-- ARGV   the schedule's `id` and the `instant`; `work` is the id of the run; `late` and `over` are 1 where it missed that mark; `again` in ms
-- Reply  1, or 0 if the instant is not followed any more
--
-- @include keys
-- @include runs
local id, instant, work, late, over, again = unpack(ARGV)
local entry = read_entry(id, instant)
if not entry or entry.work ~= work or not redis.call('ZSCORE', open_key(id), instant) then return 0 end
if late == '1' and not entry.late or over == '1' and not entry.over then
  entry.late, entry.over = late == '1' or nil, over == '1' or nil
  write_entry(id, entry)
end
look_at(id, instant, now + again)
return 1
