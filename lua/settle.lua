-- Forgets what a client had to leave, once it is left, unless somebody has meant to move it since: that one has been told
-- the same channels, and settles them.
--
-- Atomic because a record that is ending, or moved again, must keep what is yet to be left.
--
-- KEYS  1 clientId_auth/<clientId>
-- ARGV  1 when the client meant to enter, as intend has said
-- returns 1, or 0 where the client is unknown or ending, or was moved since

local known = redis.call('GET', KEYS[1])
if not known then return 0 end
local record = cjson.decode(known)
if record.state == 'ending' or record.intended ~= ARGV[1] then return 0 end
if record.leaving == '' then return 1 end
record.leaving = ''
redis.call('SET', KEYS[1], cjson.encode(record))
return 1
