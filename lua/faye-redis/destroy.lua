-- Ends a client. Repeating it changes nothing.
--
-- Atomic because of those who end it at the same time exactly one must be told that it did, and nothing may stay. It
-- makes names of keys from what it finds, so it is for one Redis and not for a Cluster.
--
-- KEYS  1 clients   2 channels of the client   3 its queue
-- ARGV  1 clientId   2 what comes before a channel's name in its key   3 Pub/Sub channel for clientIds whose connection
--       is to be closed
-- returns {1 or 0 where it did not exist, the channels that it had subscribed to}

local channels = redis.call('SMEMBERS', KEYS[2])
for _, channel in ipairs(channels) do
  redis.call('SREM', ARGV[2] .. channel, ARGV[1])
end
redis.call('DEL', KEYS[2], KEYS[3])
local existed = redis.call('ZREM', KEYS[1], ARGV[1])
if existed == 1 then redis.call('PUBLISH', ARGV[3], ARGV[1]) end
return {existed, channels}
