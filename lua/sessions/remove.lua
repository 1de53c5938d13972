-- Removes the record of a client that has ended. May be repeated.
--
-- Atomic because another node may have claimed the client by now.
--
-- KEYS  1 client   2 index of the node
-- ARGV  1 clientId   2 node   3 generation
-- returns 1, or 0 where the record is another's by now

local client, index = KEYS[1], KEYS[2]
local id, node, generation = ARGV[1], ARGV[2], ARGV[3]
local owner, known = unpack(redis.call('HMGET', client, 'node', 'generation'))
if owner and (owner ~= node or known ~= generation) then return 0 end
redis.call('DEL', client)
redis.call('SREM', index, id)
return 1
