-- Writes into a client's record that it has asked for an EventSource, by a connect of its own, and the word by which that
-- stream is known again when its browser reconnects.
--
-- Atomic because the client may be ending, and then nothing of it may come back.
--
-- KEYS  1 client
-- ARGV  1 the word, or '' where it wants no EventSource any more   2 '1' to keep a word that is there
-- returns the word that holds now, or nil where there is no such client, or it is ending

local known = redis.call('HMGET', KEYS[1], 'node', 'state', 'stream')
if not known[1] or known[2] == 'ending' then return nil end
if known[3] and ARGV[2] == '1' then return known[3] end
if ARGV[1] == '' then redis.call('HDEL', KEYS[1], 'stream')
else redis.call('HSET', KEYS[1], 'stream', ARGV[1]) end
return ARGV[1]
