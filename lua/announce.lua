-- Announces the changes that a claim took: bumps the version, sends the announcement to every node, removes the
-- changes, and marks the channel again where more came in meanwhile. Removes what a channel without users leaves behind.
--
-- Atomic because a node may die at any time: either all of it happened, or the changes are still pending for another.
-- Repeating it with the same claim (its answer was lost) changes nothing and says done again.
--
-- KEYS  1 uid_to_clientIds<channel>   2 users<channel>   3 order<channel>   4 state<channel>   5 pending<channel>
--       6 dirty   7 epoch   8 intents<channel>
-- ARGV  1 channel   2 claim   3 changes taken   4 announcement, JSON (opaque), or '' where nothing changed on balance
--       5 Pub/Sub channel   6 users at the time of the taking   7 window: base, ms   8 window: per user, ms
--       9 window: max, ms
-- returns {1 done or 0 where the claim, or a part of the channel, is lost, ms until what came in meanwhile is due or -1}

--- @include "quiet"
--- @include "whole"

if not is_whole() then return {0, -1} end
local claim = redis.call('HMGET', KEYS[4], 'claim', 'last')
if claim[1] ~= ARGV[2] then
  if claim[2] == ARGV[2] then return {1, -1} end
  return {0, -1}
end

--- @include "now"
-- A new epoch has begun since the taking.
if now < quiet_until(KEYS[7], now) then return {0, -1} end

-- Who left and came back keeps its place: nobody was told, so the list of the version before has it there.
local seen = {}
local taken = ARGV[3] == '0' and {} or redis.call('LRANGE', KEYS[5], 0, ARGV[3] - 1)
for _, change in ipairs(taken) do
  local uid = string.sub(change, 22, 21 + tonumber(string.sub(change, 18, 21)))
  if not seen[uid] and string.sub(change, 1, 1) == 'l' and redis.call('HEXISTS', KEYS[2], uid) == 1 then
    redis.call('ZADD', KEYS[3], 'XX', string.sub(change, 2, 17), uid)
  end
  seen[uid] = true
end

redis.call('LTRIM', KEYS[5], ARGV[3], -1)
redis.call('HDEL', KEYS[4], 'claim', 'claim_until', 'hush')
redis.call('HSET', KEYS[4], 'last', ARGV[2])
if ARGV[4] ~= '' then
  redis.call('HINCRBY', KEYS[4], 'version', 1)
  redis.call('HSET', KEYS[4], 'announced', ARGV[6])
  redis.call('PUBLISH', ARGV[5], ARGV[4])
end

local users = redis.call('HLEN', KEYS[2])
if redis.call('LLEN', KEYS[5]) > 0 then
  local window = math.ceil(math.min(ARGV[7] + ARGV[8] * users, ARGV[9]))
  redis.call('ZADD', KEYS[6], now + window, ARGV[1])
  return {1, window}
end

redis.call('ZREM', KEYS[6], ARGV[1])
if users == 0 then
  -- The next life of the channel goes on from the highest version that any channel ended with.
  local version = tonumber(redis.call('HGET', KEYS[4], 'version'))
  if version > tonumber(redis.call('HGET', KEYS[7], 'floor') or 0) then
    redis.call('HSET', KEYS[7], 'floor', version)
  end
  redis.call('DEL', KEYS[4])
end
return {1, -1}
