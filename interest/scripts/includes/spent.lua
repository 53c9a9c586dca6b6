-- @include clock
-- How long runs took, by what came of it, for operators: useful are those whose answer, a result or an error, came while
-- somebody could still take it.
local function note_spent(started_at, useful)
  if not started_at then return end
  -- The clock of a promoted replica may be behind: a total does not go back.
  redis.call('HINCRBY', spent_key, useful and 'useful' or 'wasted', math.max(now - started_at, 0))
end
