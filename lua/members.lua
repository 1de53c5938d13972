-- Reads who is in a channel now, oldest first, changes that are not announced yet included.
--
-- In the quiet time of a new epoch that is not known: the nodes are writing down again who is with them.
--
-- Atomic because the count must be that of the users read with it.
--
-- KEYS  1 users<channel>   2 order<channel>   3 epoch
-- ARGV  1 users to return at most
-- returns {number of users, {user JSON, ...}}; or for how long to wait before asking again, ms; or nil where Redis has
--         lost its data and no epoch has begun yet

if redis.call('HEXISTS', KEYS[3], 'id') == 0 then return nil end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local quiet = quiet_until(KEYS[3], now)
if now < quiet then return quiet - now end

local uids = redis.call('ZRANGE', KEYS[2], 0, ARGV[1] - 1)
local users = {}
-- In steps: Lua's unpack has a limit of some thousand values.
for first = 1, #uids, 1000 do
  local part = redis.call('HMGET', KEYS[1], unpack(uids, first, math.min(first + 999, #uids)))
  for _, user in ipairs(part) do users[#users + 1] = user end
end
return {redis.call('HLEN', KEYS[1]), users}
