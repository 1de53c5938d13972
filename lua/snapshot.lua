-- Reads a channel: its version and its users, oldest first.
--
-- Atomic because the version must be that of the users read with it.
--
-- KEYS  1 users<channel>   2 order<channel>   3 state<channel>   4 epoch
-- ARGV  1 users to return at most
-- returns {epoch, version, number of users, {user JSON, ...}}

local epoch = redis.call('HMGET', KEYS[4], 'id', 'floor')
local version = redis.call('HGET', KEYS[3], 'version') or epoch[2] or 0
local uids = redis.call('ZRANGE', KEYS[2], 0, ARGV[1] - 1)
local users = {}
-- In steps: Lua's unpack has a limit of some thousand values.
for first = 1, #uids, 1000 do
  local part = redis.call('HMGET', KEYS[1], unpack(uids, first, math.min(first + 999, #uids)))
  for _, user in ipairs(part) do users[#users + 1] = user end
end
return {epoch[1] or '', tonumber(version), redis.call('HLEN', KEYS[1]), users}
