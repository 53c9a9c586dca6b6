-- All times are this server's, in whole milliseconds: they fit a double exactly, and Lua prints them exactly.
local function server_ms()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end
local now = server_ms()
