-- Renews a node's lease, and declares the nodes dead whose lease is over: their clients have a while to go to another node.
--
-- Where Redis itself stood still, or begins a new epoch, every lease is over at once, and all nodes are about to renew theirs:
-- only a node that renews in time, again and again, may judge others.
--
-- Atomic because a node is either alive or dead: one that was declared dead has to learn it before it goes on.
--
-- KEYS  1 nodes   2 about nodes   3 terms   4 dead nodes   5 epoch   6 last signs of life of dead nodes   7 index of the node
-- ARGV  1 node   2 how long the lease holds, ms   3 about the node, JSON (opaque)   4 its term
--       5 '1' to take a lease where it holds none   6 '1' where its last renewals went well
--       7 for how long the clients of a dead node are kept, ms
-- returns {'renewed', 'lost' where it held no lease (nothing is changed), or 'stale' where a later term is known: this renewal was
--         late; {dead node whose clients are to be ended...}, how many clients the index of the node has,
--         ms until the clients of the next dead node are to be ended or -1}

local nodes, about, terms, dead, epoch_key, last_signs, index = unpack(KEYS)
local node, lease_ms, description, term, is_first, is_stable, kept_ms = unpack(ARGV)

--- @include "quiet"

-- A renewal that lands late would make steps of an earlier term count again.
if tonumber(redis.call('HGET', terms, node) or 0) > tonumber(term) then return {'stale', {}, 0, -1} end

--- @include "now"
local quiet = quiet_until(epoch_key, now)
local held = tonumber(redis.call('ZSCORE', nodes, node) or 0)
-- In a new epoch the lease may be among what was lost.
if held == 0 and is_first ~= '1' and now >= quiet then return {'lost', {}, 0, -1} end

redis.call('ZADD', nodes, now + lease_ms, node)
redis.call('HSET', about, node, description)
redis.call('HSET', terms, node, term)
if held == 0 then
  redis.call('ZREM', dead, node)
  redis.call('ZREM', last_signs, node)
end
local indexed = redis.call('SCARD', index)
if is_stable ~= '1' or held <= now or now < quiet then return {'renewed', {}, indexed, -1} end

local over = redis.call('ZRANGE', nodes, '-inf', now, 'BYSCORE', 'WITHSCORES')
for i = 1, #over, 2 do
  redis.call('ZREM', nodes, over[i])
  redis.call('HDEL', about, over[i])
  redis.call('HDEL', terms, over[i])
  redis.call('ZADD', dead, math.max(tonumber(over[i + 1]), quiet) + kept_ms, over[i])
  redis.call('ZADD', last_signs, over[i + 1] - lease_ms, over[i])
end
local next = redis.call('ZRANGE', dead, '(' .. now, '+inf', 'BYSCORE', 'LIMIT', 0, 1, 'WITHSCORES')
return {
  'renewed',
  redis.call('ZRANGE', dead, '-inf', now, 'BYSCORE', 'LIMIT', 0, 1000),
  indexed,
  next[2] and next[2] - now or -1,
}
