-- Renews a node's lease, and buries the nodes whose lease is over: their clients have a while to go to another node.
--
-- Atomic because a node is either alive or buried: one that was buried is not to renew as if nothing had been.
--
-- KEYS  1 nodes   2 about nodes   3 dead nodes
-- ARGV  1 node   2 how long the lease holds, ms   3 about the node, JSON (opaque)   4 '1' for a node that begins
--       5 for how long the clients of a dead node are kept, ms
-- returns {'renewed' or 'fenced', dead node whose clients are to be ended...}

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local renewed = 'fenced'
if ARGV[4] == '1' or redis.call('ZSCORE', KEYS[1], ARGV[1]) then
  redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
  redis.call('HSET', KEYS[2], ARGV[1], ARGV[3])
  renewed = 'renewed'
end

-- From now on: where Redis itself stood still, every lease is over at once, and the others are about to renew theirs.
local over = redis.call('ZRANGE', KEYS[1], '-inf', now, 'BYSCORE')
for i = 1, #over do
  redis.call('ZREM', KEYS[1], over[i])
  redis.call('HDEL', KEYS[2], over[i])
  redis.call('ZADD', KEYS[3], now + ARGV[5], over[i])
end
return {renewed, unpack(redis.call('ZRANGE', KEYS[3], '-inf', now, 'BYSCORE'))}
