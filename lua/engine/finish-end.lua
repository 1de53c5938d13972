-- The last of three steps to end a client: removes what is known of it. May be repeated.
--
-- Atomic because a crash in between would leave a part of it for ever.
--
-- KEYS  1 client   2 subscriptions   3 endings   4 clients of the node that had it
-- ARGV  1 clientId   2 the node that ends it
-- returns 1, or 0 where another ends it by now

local known = redis.call('HMGET', KEYS[1], 'state', 'ender')
if known[1] and (known[1] ~= 'ending' or known[2] ~= ARGV[2]) then return 0 end
redis.call('DEL', KEYS[1], KEYS[2])
redis.call('ZREM', KEYS[3], ARGV[1])
redis.call('SREM', KEYS[4], ARGV[1])
return 1
