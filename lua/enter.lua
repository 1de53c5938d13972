-- Adds one client of a user to a channel. The user's first client makes a join, which is put among the pending changes
-- and marks the channel to be announced. Repeating it changes nothing.
--
-- Atomic because two tabs of one user, on two nodes, read and write the same array: done in two steps one would be lost.
--
-- A pending change is 'j' (join) or 'l' (leave), when the user entered (16 digits), the length of its uid in bytes
-- (4 digits), the uid, and the user's JSON.
--
-- KEYS  1 uid_to_clientIds<channel>   2 users<channel>   3 order<channel>   4 state<channel>   5 pending<channel>
--       6 dirty   7 epoch
-- ARGV  1 channel   2 uid   3 clientId   4 user, JSON (opaque)   5 window: base, ms   6 window: per user, ms
--       7 window: max, ms   8 a random id for a new epoch
-- returns {1 for a join or 0, ms until due where this call marked the channel or -1}

local clients = redis.call('HGET', KEYS[1], ARGV[2])
-- An entry without its user is none of ours: the gem, which had the same key, left it there.
if clients and redis.call('HEXISTS', KEYS[2], ARGV[2]) == 1 then
  local ids = cjson.decode(clients)
  for _, id in ipairs(ids) do
    if id == ARGV[3] then return {0, -1} end
  end
  ids[#ids + 1] = ARGV[3]
  redis.call('HSET', KEYS[1], ARGV[2], cjson.encode(ids))
  return {0, -1}
end

local time = redis.call('TIME')
local entered = string.format('%010d%06d', time[1], time[2])
redis.call('HSET', KEYS[1], ARGV[2], cjson.encode({ARGV[3]}))
redis.call('HSET', KEYS[2], ARGV[2], ARGV[4])
redis.call('ZADD', KEYS[3], entered, ARGV[2])

redis.call('HSETNX', KEYS[7], 'id', ARGV[8] .. ':' .. entered)
redis.call('HSETNX', KEYS[4], 'version', redis.call('HGET', KEYS[7], 'floor') or 0)
redis.call('RPUSH', KEYS[5], 'j' .. entered .. string.format('%04d', #ARGV[2]) .. ARGV[2] .. ARGV[4])

local users = redis.call('HLEN', KEYS[2])
local window = math.ceil(math.min(ARGV[5] + ARGV[6] * users, ARGV[7]))
local due = time[1] * 1000 + math.floor(time[2] / 1000) + window
if redis.call('ZADD', KEYS[6], 'NX', due, ARGV[1]) == 0 then window = -1 end
return {1, window}
