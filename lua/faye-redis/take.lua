-- Takes all messages out of a client's queue.
--
-- Atomic because what came in between would be lost; and one command, not a MULTI, because a connection that is lost in
-- the midst of one leaves a part of it to be sent again.
--
-- KEYS  1 the client's queue
-- returns the messages, oldest first

local messages = redis.call('LRANGE', KEYS[1], 0, -1)
redis.call('DEL', KEYS[1])
return messages
