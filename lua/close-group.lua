-- Ends a group of the journal. With the last group the journal goes: nobody reads it.
--
-- Atomic because a group that begins at the same time must find its journal, or make it.
--
-- KEYS  1 journal   2 journal_state
-- ARGV  1 group
-- returns 1

if redis.call('EXISTS', KEYS[1]) == 0 then return 1 end
redis.call('XGROUP', 'DESTROY', KEYS[1], ARGV[1])
if #redis.call('XINFO', 'GROUPS', KEYS[1]) == 0 then redis.call('DEL', KEYS[1], KEYS[2]) end
return 1
