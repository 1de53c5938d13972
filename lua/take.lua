-- Claims the pending changes of a channel without removing them. Another's claim that has not expired stands, and nothing
-- is announced while the nodes write down again who is with them.
--
-- Atomic because of two who take at once only one may announce; and the number of users must be that of the changes.
--
-- KEYS  1 epoch
-- ARGV  1 what the names of keys begin with   2 channel   3 claim, a random id   4 how long it holds, ms
-- returns nil where another claim stands, nothing is known of the channel, a part of it is missing, or an epoch has to begin
--         first; for how long nothing is announced yet, ms; else
--         {epoch, version of the last announcement, number of users, {change, ...}}
--         with changes as lua/includes/membership.lua writes them

--- @include "quiet"
--- @include "channel"
--- @include "whole"

local keys = keys_of(ARGV[1], ARGV[2])
if not is_whole(keys) then return nil end
local epoch = redis.call('HGET', keys.epoch, 'id')
if not epoch then return nil end
local state = redis.call('HMGET', keys.state, 'version', 'claim', 'claim_until')
if not state[1] then return nil end

--- @include "now"
local quiet = quiet_until(keys.epoch, now)
if now < quiet then return quiet - now end
if state[2] and state[2] ~= ARGV[3] and tonumber(state[3]) > now then return nil end

redis.call('HSET', keys.state, 'claim', ARGV[3], 'claim_until', now + ARGV[4])
return {epoch, tonumber(state[1]), redis.call('HLEN', keys.users), redis.call('LRANGE', keys.pending, 0, -1)}
