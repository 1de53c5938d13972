-- Reads who is in a channel now, oldest first, changes that are not announced yet included.
--
-- In the quiet time of a new epoch that is not known: the nodes are writing down again who is with them.
--
-- Atomic because the count must be that of the users read with it.
--
-- KEYS  1 uid_to_clientIds<channel>   2 users<channel>   3 order<channel>   4 state<channel>   5 pending<channel>
--       6 dirty   7 epoch   8 intents<channel>
-- ARGV  1 channel   2 users to return at most
-- returns {number of users, {user JSON, ...}}; or for how long to wait before asking again, ms; or nil where Redis has
--         lost its data, or a part of the channel, and no epoch has begun yet

--- @include "quiet"
--- @include "whole"

if not is_whole() or redis.call('HEXISTS', KEYS[7], 'id') == 0 then return nil end
--- @include "now"
local quiet = quiet_until(KEYS[7], now)
if now < quiet then return quiet - now end

local uids = redis.call('ZRANGE', KEYS[3], 0, ARGV[2] - 1)
local users = {}
-- In steps: Lua's unpack has a limit of some thousand values.
for first = 1, #uids, 1000 do
  local part = redis.call('HMGET', KEYS[2], unpack(uids, first, math.min(first + 999, #uids)))
  for _, user in ipairs(part) do users[#users + 1] = user end
end
return {redis.call('HLEN', KEYS[2]), users}
