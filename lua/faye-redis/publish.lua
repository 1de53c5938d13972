-- Puts a message into the queue of each client that subscribes to one of the channels, and tells the nodes.
--
-- Atomic because the queue of a client that ends at the same time would stay. It makes names of keys from what it
-- finds, as faye-redis does, so it is for one Redis and not for a Cluster.
--
-- KEYS  1 clients   2... clients of each channel
-- ARGV  1 what comes before the clientId in a client's keys   2 message, JSON (opaque)
--       3 Pub/Sub channel for the clientIds whose queue has got something

for _, clientId in ipairs(redis.call('SUNION', unpack(KEYS, 2))) do
  if redis.call('ZSCORE', KEYS[1], clientId) then
    redis.call('RPUSH', ARGV[1] .. clientId .. '/messages', ARGV[2])
    redis.call('PUBLISH', ARGV[3], clientId)
  end
end
