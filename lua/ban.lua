-- Keeps a user out for a while, and forgets the bans that are over.
--
-- Atomic because the key must go with its last ban, and not before.
--
-- KEYS  1 banned
-- ARGV  1 uid   2 for how long, ms
-- returns when it ends, ms

--- @include "now"
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
local last = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')
redis.call('PEXPIREAT', KEYS[1], last[2])
return now + ARGV[2]
