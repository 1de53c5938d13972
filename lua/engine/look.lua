-- Says where a client is.
--
-- Atomic because while the nodes write down their clients again, in a new epoch, what is missing is not known to be gone, and
-- what is from an earlier epoch may be older than what was. Where its node died before it could write it down again, nobody knows
-- what the client subscribed to since: it is told that it is unknown, and begins anew.
--
-- KEYS  1 client   2 subscriptions   3 nodes   4 epoch
-- ARGV  1 the epoch that the node knows   2 '1' to be told its subscriptions too
-- returns {node, generation, 1 where the node has a lease or 0, the word of its EventSource or '', channel...};
--         {} for no such client, or one that is ending; nil where that is not known yet

local known = redis.call('HMGET', KEYS[1], 'node', 'generation', 'state', 'stream', 'epoch')
local epoch = redis.call('HMGET', KEYS[4], 'id', 'quiet')
if not known[1] and epoch[1] ~= ARGV[1] then return nil end
if not known[1] or known[5] ~= epoch[1] then
  local time = redis.call('TIME')
  if time[1] * 1000 + math.floor(time[2] / 1000) < tonumber(epoch[2] or 0) then return nil end
end
if not known[1] or known[3] == 'ending' then return {} end
local alive = redis.call('ZSCORE', KEYS[3], known[1]) and 1 or 0
if alive == 0 and known[5] ~= epoch[1] then return {} end
local found = {known[1], known[2], alive, known[4] or ''}
if ARGV[2] == '1' then
  for _, channel in ipairs(redis.call('SMEMBERS', KEYS[2])) do found[#found + 1] = channel end
end
return found
