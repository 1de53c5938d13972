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
-- `keys`: as `keys_of` returns them (lua/includes/channel.lua).

local function is_whole(keys)
  local users = redis.call('HLEN', keys.users)
  local pending = redis.call('LLEN', keys.pending)
  local is_due = redis.call('ZSCORE', keys.dirty, keys.channel)
  local has_version = redis.call('HEXISTS', keys.state, 'version') == 1
  local is_half = users ~= redis.call('ZCARD', keys.order)
    or users > redis.call('HLEN', keys.clients)
    or has_version ~= (users + pending > 0)
    or (is_due and pending == 0)
  if not is_half then
    if pending > 0 and not is_due then redis.call('ZADD', keys.dirty, 0, keys.channel) end
    return true
  end
  redis.call('DEL', keys.clients, keys.users, keys.order, keys.state, keys.pending, keys.rows)
  redis.call('ZREM', keys.dirty, keys.channel)
  local id = redis.call('HGET', keys.epoch, 'id')
  if id then redis.call('HSET', keys.epoch, 'was', id) end
  redis.call('HDEL', keys.epoch, 'id')
  redis.call('HSET', keys.epoch, 'cause', 'a part of the channel ' .. keys.channel .. ' is missing')
  return false
end
