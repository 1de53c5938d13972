-- Forgets a dead node once it has no client any more.
--
-- Atomic because a client may be counted for it until the very moment.
--
-- KEYS  1 dead nodes   2 clients of the node   3 last signs of life of dead nodes
-- ARGV  1 node
-- returns 1, or 0 where it still has clients

if redis.call('EXISTS', KEYS[2]) == 1 then return 0 end
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('ZREM', KEYS[3], ARGV[1])
return 1
