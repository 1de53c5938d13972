-- Takes one client of a user out of a channel. The user's last client makes a leave, which is put among the pending
-- changes and marks the channel to be announced. Repeating it changes nothing.
--
-- Atomic for the same reason as enter: the array of clientIds is read and written back.
--
-- KEYS  1 uid_to_clientIds<channel>   2 users<channel>   3 order<channel>   4 pending<channel>   5 dirty
-- ARGV  1 channel   2 uid   3 clientId   4 window: base, ms   5 window: per user, ms   6 window: max, ms
-- returns {1 for a leave or 0, ms until due where this call marked the channel or -1}

local clients = redis.call('HGET', KEYS[1], ARGV[2])
if not clients then return {0, -1} end

local rest = {}
local found = false
for _, id in ipairs(cjson.decode(clients)) do
  if id == ARGV[3] then found = true else rest[#rest + 1] = id end
end
if not found then return {0, -1} end
if #rest > 0 then
  redis.call('HSET', KEYS[1], ARGV[2], cjson.encode(rest))
  return {0, -1}
end

local user = redis.call('HGET', KEYS[2], ARGV[2])
local entered = redis.call('ZSCORE', KEYS[3], ARGV[2])
redis.call('HDEL', KEYS[1], ARGV[2])
redis.call('HDEL', KEYS[2], ARGV[2])
redis.call('ZREM', KEYS[3], ARGV[2])
-- Not ours, or half lost: nobody was told of it, so there is nothing to take back.
if not user or not entered then return {0, -1} end
redis.call(
  'RPUSH', KEYS[4],
  'l' .. string.format('%016.0f', entered) .. string.format('%04d', #ARGV[2]) .. ARGV[2] .. user
)

local time = redis.call('TIME')
local users = redis.call('HLEN', KEYS[2])
local window = math.ceil(math.min(ARGV[4] + ARGV[5] * users, ARGV[6]))
local due = time[1] * 1000 + math.floor(time[2] / 1000) + window
if redis.call('ZADD', KEYS[5], 'NX', due, ARGV[1]) == 0 then window = -1 end
return {1, window}
