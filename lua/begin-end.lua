-- Marks a client as ending, so that it enters nothing any more, and tells what it must leave. May be repeated.
--
-- Atomic because an intent must come either before it, and is read here, or after it, and is refused.
--
-- KEYS  1 clientId_auth/<clientId>
-- returns the record, or nil for an unknown client

local known = redis.call('GET', KEYS[1])
if not known then return nil end
local record = cjson.decode(known)
if record.state ~= 'ending' then
  record.state = 'ending'
  redis.call('SET', KEYS[1], cjson.encode(record))
end
return known
