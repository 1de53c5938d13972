-- Channels whose changes should have been announced by now. By Redis' clock, which also set when they are due.
--
-- KEYS  1 dirty
-- ARGV  1 for how long they must be due, ms   2 how many at most
-- returns {channel, ...}, longest due first

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
return redis.call('ZRANGE', KEYS[1], '-inf', now - ARGV[1], 'BYSCORE', 'LIMIT', 0, ARGV[2])
