-- Marks a client as ending, so that it enters nothing any more, and tells what it must leave, and when that was meant: later
-- than whatever was meant before. May be repeated.
--
-- Of a client whose record is missing nobody may know where it was: what else is known of it goes, and all channels are to be
-- looked through for clients that nobody knows.
--
-- Atomic because an intent must come either before it, and is read here, or after it, and is refused.
--
-- KEYS  1 clientId_auth/<clientId>   2 clientId_status/<clientId>   3 clientIds   4 epoch
-- ARGV  1 clientId
-- returns the record, or nil for an unknown client

local known = redis.call('GET', KEYS[1])
if not known then
  redis.call('DEL', KEYS[2])
  if redis.call('ZREM', KEYS[3], ARGV[1]) == 1 then redis.call('HDEL', KEYS[4], 'swept') end
  return nil
end
local record = cjson.decode(known)
if record.state == 'ending' then return known end
--- @include "now"
record.state = 'ending'
record.intended = string.format('%.0f', math.max(now, tonumber(record.intended or 0) + 1))
known = cjson.encode(record)
redis.call('SET', KEYS[1], known)
return known
