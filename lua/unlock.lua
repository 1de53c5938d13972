-- Gives a lock back, if it is still the holder's: it may have expired and be another's by now.
--
-- KEYS  1 the lock
-- ARGV  1 holder
-- returns 1, or 0 where it was not the holder's

if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
