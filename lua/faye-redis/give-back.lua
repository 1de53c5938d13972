-- Puts messages back that were taken out of a client's queue and could not be delivered, before what came since.
--
-- Atomic because the queue of a client that ends at the same time would stay.
--
-- KEYS  1 clients   2 the client's queue
-- ARGV  1 clientId   2... messages, oldest first

if not redis.call('ZSCORE', KEYS[1], ARGV[1]) then return end
for i = #ARGV, 2, -1 do redis.call('LPUSH', KEYS[2], ARGV[i]) end
