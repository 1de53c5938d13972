-- Gives a client to another node, if it is still where it was found: compare and set of node and generation.
--
-- Atomic because of two nodes that adopt it, and one that ends it, exactly one may win.
--
-- KEYS  1 client   2 subscriptions   3 clients of the node that had it   4 clients of the node that takes it   5 nodes
--       6 rounds   7 epoch
-- ARGV  1 clientId   2 node that had it   3 its generation   4 node that takes it   5 its round
-- returns {'adopted', generation, channel...}, {'changed'}, {'gone'}, or {'fenced'} where the node has no lease, or
--         another round: then it does not know any more that it has asked

if not redis.call('ZSCORE', KEYS[5], ARGV[4]) then return {'fenced'} end
if redis.call('HGET', KEYS[6], ARGV[4]) ~= ARGV[5] then return {'fenced'} end
local known = redis.call('HMGET', KEYS[1], 'node', 'generation', 'state')
if not known[1] or known[3] == 'ending' then return {'gone'} end
if known[1] ~= ARGV[2] or known[2] ~= ARGV[3] then return {'changed'} end

local generation = redis.call('HINCRBY', KEYS[1], 'generation', 1)
redis.call('HSET', KEYS[1], 'node', ARGV[4], 'epoch', redis.call('HGET', KEYS[7], 'id') or '')
redis.call('SREM', KEYS[3], ARGV[1])
redis.call('SADD', KEYS[4], ARGV[1])
local adopted = {'adopted', generation}
for _, channel in ipairs(redis.call('SMEMBERS', KEYS[2])) do adopted[#adopted + 1] = channel end
return adopted
