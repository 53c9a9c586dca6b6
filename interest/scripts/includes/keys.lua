-- The names of keys, as in keys.py. KEYS[1] is what all keys of the lane start with; KEYS[2] is the Celery queue's list,
-- given only where the broker is this very Redis, so that a script can ring by itself.
local lane, queue_list = KEYS[1], KEYS[2]
local queue = string.match(lane, '{(.*)}')
local function work_key(id) return lane .. ':work:' .. id end
local function interests_key(id) return lane .. ':interests:' .. id end
local function letter_key(id) return lane .. ':letter:' .. id end
local function tombstone_key(id) return lane .. ':tombstone:' .. id end
local function key_key(key) return lane .. ':key:' .. key end
local function mail_key(party) return lane .. ':mail:' .. party end
local function index_key(state) return lane .. ':index:' .. state end
local pulse_key = lane .. ':pulse'
local evidence_key = lane .. ':evidence'
local workers_key = lane .. ':workers'
local totals_key = lane .. ':totals'
local spent_key = lane .. ':spent'
local aside_key = lane .. ':aside'
local runtimes_key = lane .. ':runtimes'
local slots_key = lane .. ':slots'
local load_key = lane .. ':load'
local ends_key = lane .. ':ends'
local limits_key = lane .. ':limits'
local function runtime_key(group) return lane .. ':runtime:' .. group end
local function permits_key(group) return lane .. ':permits:' .. group end
local function released_key(group) return lane .. ':released:' .. group end
local function held_key(group) return lane .. ':held:' .. group end
local function starts_key(group) return lane .. ':starts:' .. group end

local FIRST_LOOK = 10000    -- ms until the ledger looks after a rung work that nobody asked about
local MAIL_TTL = 60000      -- ms; a party silent for longer asks for what it missed when it is back
