-- Writes down a client of a node: who has it, in which generation, and what it subscribes to. A record that another node
-- has in the same or a later generation stands, and so does one that is ending. May be repeated.
--
-- It alone makes a record, so it must not land late: the client may have ended since. A node that does not know whether one
-- of its saves will still land goes on in another round, and those of the last round do nothing any more.
--
-- Atomic because two nodes may both believe that a client is theirs, after Redis lost its data: the later generation has it.
--
-- KEYS  1 client   2 subscriptions   3 clients of the node   4 nodes   5 rounds   6 epoch
-- ARGV  1 clientId   2 node   3 its round   4 generation   5... channels
-- returns {'saved', the node that had it before, or '' for none or this one, '1' where there was no record}, {'lost'} where it is another's or ending,
--         {'fenced'} where the node has no lease, or another round

if not redis.call('ZSCORE', KEYS[4], ARGV[2]) then return {'fenced'} end
if redis.call('HGET', KEYS[5], ARGV[2]) ~= ARGV[3] then return {'fenced'} end

local known = redis.call('HMGET', KEYS[1], 'node', 'generation', 'state')
if known[3] == 'ending' then return {'lost'} end
if known[1] and known[1] ~= ARGV[2] and tonumber(known[2]) >= tonumber(ARGV[4]) then return {'lost'} end

local epoch = redis.call('HGET', KEYS[6], 'id') or ''
redis.call('SADD', KEYS[3], ARGV[1])
redis.call('DEL', KEYS[2])
-- In steps: Lua's unpack has a limit of some thousand values.
for first = 5, #ARGV, 1000 do
  redis.call('SADD', KEYS[2], unpack(ARGV, first, math.min(first + 999, #ARGV)))
end
redis.call(
  'HSET', KEYS[1], 'node', ARGV[2], 'generation', ARGV[4], 'epoch', epoch, 'subscribed', redis.call('SCARD', KEYS[2])
)
return {'saved', known[1] and known[1] ~= ARGV[2] and known[1] or '', known[1] and '0' or '1'}
