-- Channels whose changes should have been announced by now, by Redis' clock, which also wrote when they are due.
--
-- KEYS  1 dirty
-- ARGV  1 for how long they must have been due, ms   2 how many at most
-- returns {channel, ...}, longest due first

--- @include "now"
return redis.call('ZRANGE', KEYS[1], '-inf', now - ARGV[1], 'BYSCORE', 'LIMIT', 0, ARGV[2])
