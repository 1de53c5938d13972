-- Renews a node's lease, and buries the nodes whose lease is over: their clients have a while to go to another node.
--
-- Where Redis itself stood still, or begins a new epoch, every lease is over at once, and all nodes are about to renew
-- theirs: only a node that renews in time, again and again, may judge others.
--
-- Atomic because a node is either alive or buried: one that was buried is not to renew as if nothing had been.
--
-- KEYS  1 nodes   2 about nodes   3 rounds   4 dead nodes   5 epoch   6 last signs of life of dead nodes
--       7 clients of the node
-- ARGV  1 node   2 how long the lease holds, ms   3 about the node, JSON (opaque)   4 its round
--       5 'first' for a name that nobody had, 'again' in a new epoch, 'on' otherwise   6 '1' where its last renewals went well
--       7 for how long the clients of a dead node are kept, ms
-- returns {'renewed', 'fenced', or 'stale' where a later round has been written down: this renewal was late; {dead node whose
--         clients are to be ended...}, {any other dead node...}, 1 where the node has clients by Redis or 0, ms until the clients of
--         the next dead node are to be ended or -1}; every node gets each of them: none is forgotten before its clients are to be ended

--- @include "quiet"

-- A renewal that lands late would make steps of an earlier round count again.
if tonumber(redis.call('HGET', KEYS[3], ARGV[1]) or 0) > tonumber(ARGV[4]) then return {'stale', {}, {}, 0, -1} end

--- @include "now"
local quiet = quiet_until(KEYS[5], now)
local held = tonumber(redis.call('ZSCORE', KEYS[1], ARGV[1]) or 0)

-- In a new epoch the lease may be among what was lost. Once that is over, whoever had none was buried, and forgotten.
local again = ARGV[5] == 'again' and now < quiet and not redis.call('ZSCORE', KEYS[4], ARGV[1])
if held == 0 and ARGV[5] ~= 'first' and not again then return {'fenced', {}, {}, 0, -1} end
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
local has_clients = redis.call('EXISTS', KEYS[7])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[3])
redis.call('HSET', KEYS[3], ARGV[1], ARGV[4])
if ARGV[6] ~= '1' or held <= now or now < quiet then
  return {'renewed', {}, redis.call('ZRANGE', KEYS[4], 0, -1), has_clients, -1}
end

local over = redis.call('ZRANGE', KEYS[1], '-inf', now, 'BYSCORE', 'WITHSCORES')
for i = 1, #over, 2 do
  redis.call('ZREM', KEYS[1], over[i])
  redis.call('HDEL', KEYS[2], over[i])
  redis.call('HDEL', KEYS[3], over[i])
  redis.call('ZADD', KEYS[4], math.max(tonumber(over[i + 1]), quiet) + ARGV[7], over[i])
  redis.call('ZADD', KEYS[6], over[i + 1] - ARGV[2], over[i])
end
local next = redis.call('ZRANGE', KEYS[4], '(' .. now, '+inf', 'BYSCORE', 'LIMIT', 0, 1, 'WITHSCORES')
return {
  'renewed',
  redis.call('ZRANGE', KEYS[4], '-inf', now, 'BYSCORE', 'LIMIT', 0, 1000),
  redis.call('ZRANGE', KEYS[4], '(' .. now, '+inf', 'BYSCORE', 'LIMIT', 0, 1000),
  has_clients,
  next[2] and next[2] - now or -1,
}
