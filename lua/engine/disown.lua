-- Takes a client out of those of a node that does not have it any more: another has written it down over it.
--
-- Atomic because that node may have it again by now.
--
-- KEYS  1 client   2 clients of the node
-- ARGV  1 clientId   2 node
-- returns 1, or 0 where the node has it

if redis.call('HGET', KEYS[1], 'node') == ARGV[2] then return 0 end
redis.call('SREM', KEYS[2], ARGV[1])
return 1
