-- How long a user is to stay away, by Redis' clock, which also began it.
--
-- KEYS  1 banned
-- ARGV  1 uid
-- returns ms, 0 where it may come

local ends = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not ends then return 0 end
local time = redis.call('TIME')
return math.max(0, ends - time[1] * 1000 - math.floor(time[2] / 1000))
