-- Subscribes a client that exists. Repeating it changes nothing.
--
-- Atomic because one that ends at the same time would leave its subscription behind.
--
-- KEYS  1 clients   2 channels of the client   3 clients of the channel
-- ARGV  1 clientId   2 channel
-- returns 1 where it is new, 0 where it was there, -1 where the client does not exist

if not redis.call('ZSCORE', KEYS[1], ARGV[1]) then return -1 end
redis.call('SADD', KEYS[3], ARGV[1])
return redis.call('SADD', KEYS[2], ARGV[2])
