-- Adds or removes subscriptions of a client, so that the node that adopts it knows them.
--
-- Atomic because a client that ends at the same time must leave nothing.
--
-- KEYS  1 client   2 subscriptions
-- ARGV  1 'SADD' or 'SREM'   2... channels
-- returns the node that has the client, or nil where there is no such client, or it is ending

local known = redis.call('HMGET', KEYS[1], 'node', 'state')
if not known[1] or known[2] == 'ending' then return nil end
-- In steps: Lua's unpack has a limit of some thousand values.
local changed = 0
for first = 2, #ARGV, 1000 do
  changed = changed + redis.call(ARGV[1], KEYS[2], unpack(ARGV, first, math.min(first + 999, #ARGV)))
end
-- By how many, and not to how many there are: where the others were lost that is to show.
redis.call('HINCRBY', KEYS[1], 'subscribed', ARGV[1] == 'SADD' and changed or -changed)
return known[1]
