-- Replaces the channels in a client's record, once it has left the others.
--
-- Atomic because a record that is ending must keep what its end has yet to leave.
--
-- KEYS  1 clientId_auth/<clientId>
-- ARGV  1... channels
-- returns 1, or 0 where the client is unknown or ending

local known = redis.call('GET', KEYS[1])
if not known then return 0 end
local record = cjson.decode(known)
if record.state == 'ending' then return 0 end
record.channels = table.concat(ARGV, ' ')
redis.call('SET', KEYS[1], cjson.encode(record))
return 1
