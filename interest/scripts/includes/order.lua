-- @include keys
-- Puts an order into a worker's mailbox; its monitor waits there.
local function order(worker, letter)
  redis.call('RPUSH', mail_key(worker), cjson.encode(letter))
  redis.call('PEXPIRE', mail_key(worker), MAIL_TTL)
end
