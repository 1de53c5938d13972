-- What should have been done by now: channels whose changes are due, or clients that nobody has looked at for a while. By
-- Redis' clock, which also wrote down when that is.
--
-- KEYS  1 dirty, or clientIds
-- ARGV  1 for how long it must have been due, ms   2 how many at most
-- returns {channel or clientId, ...}, longest due first

--- @include "now"
return redis.call('ZRANGE', KEYS[1], '-inf', now - ARGV[1], 'BYSCORE', 'LIMIT', 0, ARGV[2])
