-- Whether nothing of a channel is missing. Redis that runs out of memory may evict keys, one by one, and somebody may delete one.
--
-- What always holds: `users` and `order` have the same users, and `uid_to_clientIds` has these at least (the gem may have left
-- more); there is a version exactly while there are users or pending changes; and the channel is in `dirty` exactly while
-- there are pending changes.
--
-- A channel of which a part is missing is lost as a whole: the rest is removed, and so is the epoch's id. That is what Redis'
-- own loss of data looks like: the next look begins an epoch, in which the nodes enter their clients again. A channel that is only
-- missing in `dirty` is put there again.
--
-- All scripts that include it have the same first keys, and the channel as the first argument:
-- KEYS  1 uid_to_clientIds<channel>   2 users<channel>   3 order<channel>   4 state<channel>   5 pending<channel>
--       6 dirty   7 epoch   8 intents<channel>
-- ARGV  1 channel

local function is_whole()
  local users = redis.call('HLEN', KEYS[2])
  local pending = redis.call('LLEN', KEYS[5])
  local is_due = redis.call('ZSCORE', KEYS[6], ARGV[1])
  local has_version = redis.call('HEXISTS', KEYS[4], 'version') == 1
  local is_half = users ~= redis.call('ZCARD', KEYS[3])
    or users > redis.call('HLEN', KEYS[1])
    or has_version ~= (users + pending > 0)
    or (is_due and pending == 0)
  if not is_half then
    if pending > 0 and not is_due then redis.call('ZADD', KEYS[6], 0, ARGV[1]) end
    return true
  end
  redis.call('DEL', KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[8])
  redis.call('ZREM', KEYS[6], ARGV[1])
  local id = redis.call('HGET', KEYS[7], 'id')
  if id then redis.call('HSET', KEYS[7], 'was', id) end
  redis.call('HDEL', KEYS[7], 'id')
  redis.call('HSET', KEYS[7], 'cause', 'a part of the channel ' .. ARGV[1] .. ' is missing')
  return false
end

