-- Reads who is in a channel now, oldest first, changes that are not announced yet included.
--
-- In the quiet time of a new epoch that is not known: the nodes are writing down again who is with them.
--
-- Atomic because the count must be that of the users read with it.
--
-- KEYS  1 epoch
-- ARGV  1 what the names of keys begin with   2 channel   3 users to return at most
-- returns {number of users, {user JSON, ...}}; or for how long to wait before asking again, ms; or nil where Redis has
--         lost its data, or a part of the channel, and no epoch has begun yet

--- @include "quiet"
--- @include "channel"
--- @include "whole"

local keys = keys_of(ARGV[1], ARGV[2])
if not is_whole(keys) or redis.call('HEXISTS', keys.epoch, 'id') == 0 then return nil end
--- @include "now"
local quiet = quiet_until(keys.epoch, now)
if now < quiet then return quiet - now end

local uids = redis.call('ZRANGE', keys.order, 0, ARGV[3] - 1)
local users = {}
-- In steps: Lua's unpack has a limit of some thousand values.
for first = 1, #uids, 1000 do
  local part = redis.call('HMGET', keys.users, unpack(uids, first, math.min(first + 999, #uids)))
  for _, user in ipairs(part) do users[#users + 1] = user end
end
return {redis.call('HLEN', keys.users), users}
