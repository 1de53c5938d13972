-- Announces the changes that a claim took: bumps the version, sends the announcement to every node, removes the
-- changes, and marks the channel again where more came in meanwhile. Removes what a channel without users leaves behind.
--
-- Atomic because a node may die at any time: either all of it happened, or the changes are still pending for another.
-- Repeating it with the same claim (its answer was lost) changes nothing and says done again.
--
-- KEYS  1 epoch
-- ARGV  1 what the names of keys begin with   2 channel   3 claim   4 changes taken   5 announcement, JSON (opaque), or '' where nothing changed on balance
--       6 Pub/Sub channel   7 users at the time of the taking   8 window: base, ms   9 window: per user, ms
--       10 window: max, ms
-- returns {1 done or 0 where the claim, or a part of the channel, is lost, ms until what came in meanwhile is due or -1}

--- @include "quiet"
--- @include "channel"
--- @include "whole"

local keys = keys_of(ARGV[1], ARGV[2])
if not is_whole(keys) then return {0, -1} end
local claim = redis.call('HMGET', keys.state, 'claim', 'last')
if claim[1] ~= ARGV[3] then
  if claim[2] == ARGV[3] then return {1, -1} end
  return {0, -1}
end

--- @include "now"
-- A new epoch has begun since the taking.
if now < quiet_until(keys.epoch, now) then return {0, -1} end

-- Who left and came back keeps its place: nobody was told, so the list of the version before has it there.
local seen = {}
local taken = ARGV[4] == '0' and {} or redis.call('LRANGE', keys.pending, 0, ARGV[4] - 1)
for _, change in ipairs(taken) do
  local uid = string.sub(change, 22, 21 + tonumber(string.sub(change, 18, 21)))
  if not seen[uid] and string.sub(change, 1, 1) == 'l' and redis.call('HEXISTS', keys.users, uid) == 1 then
    redis.call('ZADD', keys.order, 'XX', string.sub(change, 2, 17), uid)
  end
  seen[uid] = true
end

redis.call('LTRIM', keys.pending, ARGV[4], -1)
redis.call('HDEL', keys.state, 'claim', 'claim_until', 'hush')
redis.call('HSET', keys.state, 'last', ARGV[3])
if ARGV[5] ~= '' then
  redis.call('HINCRBY', keys.state, 'version', 1)
  redis.call('HSET', keys.state, 'announced', ARGV[7])
  redis.call('PUBLISH', ARGV[6], ARGV[5])
end

local users = redis.call('HLEN', keys.users)
if redis.call('LLEN', keys.pending) > 0 then
  local window = math.ceil(math.min(ARGV[8] + ARGV[9] * users, ARGV[10]))
  redis.call('ZADD', keys.dirty, now + window, ARGV[2])
  return {1, window}
end

redis.call('ZREM', keys.dirty, ARGV[2])
if users == 0 then
  -- The next life of the channel goes on from the highest version that any channel ended with.
  local version = tonumber(redis.call('HGET', keys.state, 'version'))
  if version > tonumber(redis.call('HGET', keys.epoch, 'floor') or 0) then
    redis.call('HSET', keys.epoch, 'floor', version)
  end
  redis.call('DEL', keys.state)
end
return {1, -1}
