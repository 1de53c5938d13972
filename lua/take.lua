-- Claims the pending changes of a channel without removing them. Another's claim that has not expired stands, and nothing
-- is announced while the nodes write down again who is with them.
--
-- Atomic because of two who take at once only one may announce; and the number of users must be that of the changes.
--
-- KEYS  1 uid_to_clientIds<channel>   2 users<channel>   3 order<channel>   4 state<channel>   5 pending<channel>
--       6 dirty   7 epoch   8 intents<channel>
-- ARGV  1 channel   2 claim, a random id   3 how long it holds, ms
-- returns nil where another claim stands, nothing is known of the channel, a part of it is missing, or an epoch has to begin
--         first; for how long nothing is announced yet, ms; else
--         {epoch, version of the last announcement, number of users, {change, ...}}
--         with changes as enter wrote them

--- @include "quiet"
--- @include "whole"

if not is_whole() then return nil end
local epoch = redis.call('HGET', KEYS[7], 'id')
if not epoch then return nil end
local state = redis.call('HMGET', KEYS[4], 'version', 'claim', 'claim_until')
if not state[1] then return nil end

--- @include "now"
local quiet = quiet_until(KEYS[7], now)
if now < quiet then return quiet - now end
if state[2] and state[2] ~= ARGV[2] and tonumber(state[3]) > now then return nil end

redis.call('HSET', KEYS[4], 'claim', ARGV[2], 'claim_until', now + ARGV[3])
return {epoch, tonumber(state[1]), redis.call('HLEN', KEYS[2]), redis.call('LRANGE', KEYS[5], 0, -1)}
