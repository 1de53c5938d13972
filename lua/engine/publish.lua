-- Publishes what a node has to say, in order: one command for all of it.
--
-- KEYS  1... the Pub/Sub channel of each message
-- ARGV  1 'PUBLISH' or 'SPUBLISH'   2... the messages
-- returns 1

for i, channel in ipairs(KEYS) do redis.call(ARGV[1], channel, ARGV[i + 1]) end
return 1
