-- Who is to stay away, and for how long yet. By Redis' clock, which also began it.
--
-- KEYS  1 banned
-- returns {uid, ms, ...}

--- @include "now"
local found = redis.call('ZRANGE', KEYS[1], '(' .. now, '+inf', 'BYSCORE', 'WITHSCORES')
for i = 2, #found, 2 do found[i] = tonumber(found[i]) - now end
return found
