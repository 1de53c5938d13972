-- A node goes in an orderly way: its clients have a while to go to another node.
--
-- Atomic because in between it would be neither alive nor dead, and nobody would look after its clients.
--
-- KEYS  1 nodes   2 about nodes   3 terms   4 dead nodes   5 clients of the node   6 last signs of life of dead nodes
-- ARGV  1 node   2 for how long its clients are kept, ms
-- returns 1

redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('HDEL', KEYS[2], ARGV[1])
redis.call('HDEL', KEYS[3], ARGV[1])
if redis.call('EXISTS', KEYS[5]) == 1 then
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  redis.call('ZADD', KEYS[4], now + ARGV[2], ARGV[1])
  redis.call('ZADD', KEYS[6], now, ARGV[1])
end
return 1
