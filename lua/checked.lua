-- Writes down that clients were looked at now.
--
-- One step because the time is Redis' own.
--
-- KEYS  1 clientIds
-- ARGV  1... clientIds
-- returns 1

--- @include "now"
-- XX: a client that was forgotten meanwhile must not come back.
for _, clientId in ipairs(ARGV) do redis.call('ZADD', KEYS[1], 'XX', now, clientId) end
return 1
