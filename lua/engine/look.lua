-- Says where a client is.
--
-- Atomic because while the nodes write down their clients again, in a new epoch, what is missing is not known to be gone, and
-- what is from an earlier epoch may be older than what was. Where its node died before it could write it down again, nobody knows
-- what the client subscribed to since: it is told that it is unknown, and begins anew. That its lease is over is
-- enough: it has not renewed it in the quiet time, and is buried next. So it is where Redis has lost the subscriptions alone, and the
-- client is to go to another node.
--
-- KEYS  1 client   2 subscriptions   3 nodes   4 epoch
-- ARGV  1 the epoch that the node knows   2 '1' to be told its subscriptions too
-- returns {node, generation, 1 where the node has a lease or 0, the word of its EventSource or '', channel...};
--         {} for no such client, or one that is ending; nil where that is not known yet

--- @include "quiet"

local known = redis.call('HMGET', KEYS[1], 'node', 'generation', 'state', 'stream', 'epoch', 'subscribed')
local epoch = redis.call('HGET', KEYS[4], 'id')
--- @include "now"
if not known[1] and epoch ~= ARGV[1] then return nil end
if (not known[1] or known[5] ~= epoch) and now < quiet_until(KEYS[4], now) then return nil end
if not known[1] or known[3] == 'ending' then return {} end
if ARGV[2] == '1' and tonumber(known[6] or 0) ~= redis.call('SCARD', KEYS[2]) then return {} end
local lease = tonumber(redis.call('ZSCORE', KEYS[3], known[1]) or 0)
if known[5] ~= epoch and lease <= now then return {} end
local found = {known[1], known[2], lease > 0 and 1 or 0, known[4] or ''}
if ARGV[2] == '1' then
  for _, channel in ipairs(redis.call('SMEMBERS', KEYS[2])) do found[#found + 1] = channel end
end
return found
