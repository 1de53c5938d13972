-- Marks a client as ending, so that it enters nothing any more, and tells what it must leave, and when that was meant: later
-- than whatever was meant before. May be repeated.
--
-- Atomic because an intent must come either before it, and is read here, or after it, and is refused.
--
-- KEYS  1 clientId_auth/<clientId>
-- returns the record, or nil for an unknown client

local known = redis.call('GET', KEYS[1])
if not known then return nil end
local record = cjson.decode(known)
if record.state == 'ending' then return known end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
record.state = 'ending'
record.intended = string.format('%.0f', math.max(now, tonumber(record.intended or 0) + 1))
known = cjson.encode(record)
redis.call('SET', KEYS[1], known)
return known
