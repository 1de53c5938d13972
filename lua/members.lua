-- Reads who is in a channel now, oldest first, changes that are not announced yet included.
--
-- Atomic because the count must be that of the users read with it.
--
-- KEYS  1 users<channel>   2 order<channel>
-- ARGV  1 users to return at most
-- returns {number of users, {user JSON, ...}}

local uids = redis.call('ZRANGE', KEYS[2], 0, ARGV[1] - 1)
local users = {}
-- In steps: Lua's unpack has a limit of some thousand values.
for first = 1, #uids, 1000 do
  local part = redis.call('HMGET', KEYS[1], unpack(uids, first, math.min(first + 999, #uids)))
  for _, user in ipairs(part) do users[#users + 1] = user end
end
return {redis.call('HLEN', KEYS[1]), users}
