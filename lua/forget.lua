-- Removes what is known of a client that has ended.
--
-- Atomic because the client may be back as a new stay, where its end was taken over by another node, and then the record is
-- not the one that was ended.
--
-- KEYS  1 clientId_auth/<clientId>   2 clientId_status/<clientId>   3 clientIds
-- ARGV  1 clientId
-- returns 1, or 0 where the client is not ending

local known = redis.call('GET', KEYS[1])
if known and cjson.decode(known).state ~= 'ending' then return 0 end
redis.call('DEL', KEYS[1], KEYS[2])
redis.call('ZREM', KEYS[3], ARGV[1])
return 1
