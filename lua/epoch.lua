-- Says in which epoch the data is. A Redis that was restarted, or a replica in its place, has another run id: what it
-- holds may be older than what was announced, so versions can't be compared any more, and a new epoch begins.
--
-- Atomic because all nodes come back at the same time and must agree on one epoch.
--
-- KEYS  1 epoch
-- ARGV  1 Redis' run id   2 a random id for a new epoch
-- returns the epoch's id

local known = redis.call('HMGET', KEYS[1], 'id', 'run_id')
if known[1] and known[2] == ARGV[1] then return known[1] end
-- An epoch without a run id was begun by an enter after everything was lost; which Redis that was is not known.
redis.call('HSET', KEYS[1], 'id', ARGV[2], 'run_id', ARGV[1])
return ARGV[2]
