-- Binds an identity to a client at its first proof; refreshes it for the same user; leaves another user's alone.
--
-- Atomic because two nodes may prove two users of one clientId at once: the first must win.
--
-- A record is a JSON object of strings only (cjson would change numbers and empty arrays): uid, identity (itself JSON,
-- opaque), channels (where it means to be, parted by spaces), leaving (what it may be in beside that), intended (when that,
-- or its end, was meant, ms), state: bound, in or ending; and once it has said so, visibility (hidden or shown) and since (when, ms).
--
-- KEYS  1 clientId_auth/<clientId>   2 clientIds
-- ARGV  1 clientId   2 uid   3 identity, JSON (opaque)
-- returns the record as it is now

local time = redis.call('TIME')
-- NX: or its index was lost.
redis.call('ZADD', KEYS[2], 'NX', time[1] * 1000 + math.floor(time[2] / 1000), ARGV[1])
local known = redis.call('GET', KEYS[1])
if known then
  local record = cjson.decode(known)
  if record.uid ~= ARGV[2] or record.identity == ARGV[3] or record.state == 'ending' then return known end
  record.identity = ARGV[3]
  known = cjson.encode(record)
  redis.call('SET', KEYS[1], known)
  return known
end

local record = cjson.encode({uid = ARGV[2], identity = ARGV[3], channels = '', leaving = '', intended = '0', state = 'bound'})
redis.call('SET', KEYS[1], record)
return record
