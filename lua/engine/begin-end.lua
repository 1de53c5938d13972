-- The first of three steps to end a client: marks it as ending, by the node that does it. An end that was begun and not
-- finished for a while is taken over. May be repeated by whoever has begun it.
--
-- Atomic because of two nodes that end it, and one that adopts it, exactly one may win.
--
-- KEYS  1 client   2 endings   3 clients of the node it must be with, or where that is no matter of the node that ends it
--       4 last signs of life of dead nodes   5 subscriptions
-- ARGV  1 clientId   2 that node, or ''   3 its generation, or ''   4 the node that ends it
--       5 after how long an end is taken over, ms
-- returns {'begun', the last sign of life of the client's node, ms, or nil where it is not dead}, {'lost'} where it is
--         another's, or another is ending it, {'gone'} where there is no such client

local known = redis.call('HMGET', KEYS[1], 'node', 'generation', 'state', 'ender')
-- What older data says of a client that is elsewhere, or gone, would stay for ever.
if ARGV[2] ~= '' and known[1] ~= ARGV[2] then redis.call('SREM', KEYS[3], ARGV[1]) end
if not known[1] then
  -- Where the record was lost alone.
  redis.call('DEL', KEYS[5])
  redis.call('ZREM', KEYS[2], ARGV[1])
  redis.call('SREM', KEYS[3], ARGV[1])
  return {'gone'}
end
--- @include "now"
if known[3] == 'ending' then
  if known[4] ~= ARGV[4] and tonumber(redis.call('ZSCORE', KEYS[2], ARGV[1]) or 0) > now - ARGV[5] then return {'lost'} end
else
  if ARGV[2] ~= '' and known[1] ~= ARGV[2] then return {'lost'} end
  if ARGV[3] ~= '' and known[2] ~= ARGV[3] then return {'lost'} end
end
redis.call('HSET', KEYS[1], 'state', 'ending', 'ender', ARGV[4])
redis.call('ZADD', KEYS[2], now, ARGV[1])
return {'begun', redis.call('ZSCORE', KEYS[4], known[1]) or nil}
