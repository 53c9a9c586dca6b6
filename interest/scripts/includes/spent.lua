-- @include clock
-- How long runs took, by what came of it, for operators: useful are those whose answer, a result or an error, came while
-- somebody could still take it.
local function note_spent(started_at, useful)
  if started_at then redis.call('HINCRBY', spent_key, useful and 'useful' or 'wasted', now - started_at) end
end
