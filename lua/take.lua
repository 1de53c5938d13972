-- Claims the pending changes of a channel without removing them. Another's claim that has not expired stands, and nothing
-- is announced while the nodes write down again who is with them.
--
-- Atomic because of two who take at once only one may announce; and the number of users must be that of the changes.
--
-- KEYS  1 state<channel>   2 pending<channel>   3 users<channel>   4 epoch
-- ARGV  1 claim, a random id   2 how long it holds, ms
-- returns nil where another claim stands or nothing is known of the channel; for how long nothing is announced yet, ms; else
--         {epoch, version of the last announcement, number of users, {change, ...}}
--         with changes as enter wrote them

local state = redis.call('HMGET', KEYS[1], 'version', 'claim', 'claim_until')
if not state[1] then return nil end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local quiet = quiet_until(KEYS[4], now)
if now < quiet then return quiet - now end
if state[2] and state[2] ~= ARGV[1] and tonumber(state[3]) > now then return nil end

redis.call('HSET', KEYS[1], 'claim', ARGV[1], 'claim_until', now + ARGV[2])
return {redis.call('HGET', KEYS[4], 'id') or '', tonumber(state[1]), redis.call('HLEN', KEYS[3]), redis.call('LRANGE', KEYS[2], 0, -1)}
