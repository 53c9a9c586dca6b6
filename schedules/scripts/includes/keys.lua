-- The names of keys, as in keys.py. KEYS[1] is what all of them start with.
local base = KEYS[1]
local ids_key = base .. ':ids'
local due_key = base .. ':due'
local agenda_key = base .. ':agenda'
local calendars_key = base .. ':calendars'
local outbox_key = base .. ':outbox'
local function schedule_key(id) return base .. ':schedule:' .. id end
local function open_key(id) return base .. ':open:' .. id end
local function buffered_key(id) return base .. ':buffered:' .. id end
local function history_key(id) return base .. ':history:' .. id end
local function entries_key(id) return base .. ':entries:' .. id end
local function tag_key(tag) return base .. ':tag:' .. tag end
