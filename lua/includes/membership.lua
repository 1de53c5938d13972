-- Adds a client of a user to a channel, and takes it out. Both may be repeated, and then change nothing.
--
-- The user's first client makes a join, its last a leave. These are put among the pending changes, and mark the channel to be
-- announced. Each client that comes or goes is put into the journal in the same step.
--
-- A pending change is 'j' (join) or 'l' (leave), when the user entered (16 digits), the length of its uid in bytes
-- (4 digits), the uid, and the user's JSON.
--
-- `member`: id (clientId), uid, user (JSON, opaque)
-- `context`: epoch, now (ms), time (TIME), base, per_user, max (of the window, ms), bound (entries of the journal at most)
-- Both return 1 for a join or a leave or 0, and ms until that is due where this call marked the channel or -1.

local function push_change(keys, kind, entered, uid, user)
  redis.call('RPUSH', keys.pending, kind .. entered .. string.format('%04d', #uid) .. uid .. user)
end

local function mark_due(keys, context)
  local users = redis.call('HLEN', keys.users)
  local window = math.ceil(math.min(context.base + context.per_user * users, context.max))
  local quiet = quiet_until(keys.epoch, context.now)
  -- What comes while the nodes write their clients again is one announcement, and before it there is no list.
  if context.now < quiet then redis.call('HSET', keys.state, 'hush', 1) end
  local due = math.max(context.now + window, quiet)
  if redis.call('ZADD', keys.dirty, 'NX', due, keys.channel) == 0 then return -1 end
  return due - context.now
end

-- Whether no node was told yet that the user is in. Its first pending change says whether it was.
local function is_unannounced(keys, uid)
  for _, change in ipairs(redis.call('LRANGE', keys.pending, 0, -1)) do
    local length = tonumber(string.sub(change, 18, 21))
    if string.sub(change, 22, 21 + length) == uid then return string.sub(change, 1, 1) == 'j' end
  end
  return false
end

-- The new JSON of the user, with its uid as a number or a string as it was given first.
local function renamed(before, uid, user)
  local was_text, is_text = string.sub(before, 8, 8) == '"', string.sub(user, 8, 8) == '"'
  if was_text == is_text then return user end
  return '{"uid":' .. (was_text and '"' .. uid .. '"' or uid) .. string.sub(user, 8 + #uid + (is_text and 2 or 0))
end

-- Another name is put among the pending changes as a leave under the old name and a join under the new one, in the same
-- place: the list stays the same, and is announced.
local function rename(keys, member, context, entered)
  local before = redis.call('HGET', keys.users, member.uid)
  local user = renamed(before, member.uid, member.user)
  if user == before then return -1 end
  redis.call('HSET', keys.users, member.uid, user)
  push_change(keys, 'l', entered, member.uid, before)
  push_change(keys, 'j', entered, member.uid, user)
  return mark_due(keys, context)
end

-- `stay`: since when the user is in, microseconds (16 digits), and the epoch in which the client was entered last, or '' and '' for a
-- stay that begins. A stay of an earlier epoch goes on, which Redis had lost: it is not journalled. A user who is announced keeps its
-- place all the same: one version is one list, in one order.
-- `is_renamed`: the name of a client counts that is in already. Else only that of a client that comes.
-- Also returns since when the user is in (16 digits), and when this call made the client come (ms) or 0.
local function enter(keys, member, context, stay, is_renamed)
  local since = stay.since
  local goes_on = since ~= '' and stay.epoch ~= context.epoch
  local function journal(transition)
    if goes_on then return end
    put_into_journal(
      keys.journal, keys.journal_state, context.bound, 'epoch', context.epoch, 'type', 'in', 'channel', keys.channel,
      'uid', member.uid, 'clientId', member.id, 'transition', transition, 'at', context.now, 'user', member.user
    )
  end

  local clients = redis.call('HGET', keys.clients, member.uid)
  -- An entry without its user is none of ours: the gem, which had the same key, left it there.
  if clients and redis.call('HEXISTS', keys.users, member.uid) == 1 then
    local ids = cjson.decode(clients)
    local known = false
    for _, id in ipairs(ids) do known = known or id == member.id end
    if not known then
      ids[#ids + 1] = member.id
      redis.call('HSET', keys.clients, member.uid, cjson.encode(ids))
      journal(0)
    end
    local entered = string.format('%016.0f', redis.call('ZSCORE', keys.order, member.uid))
    if goes_on and since < entered and is_unannounced(keys, member.uid) then
      entered = since
      redis.call('ZADD', keys.order, entered, member.uid)
    end
    local due = -1
    if not goes_on and (not known or is_renamed) then due = rename(keys, member, context, entered) end
    return 0, due, entered, (known or goes_on) and 0 or context.now
  end

  local entered = goes_on and since or string.format('%010d%06d', context.time[1], context.time[2])
  redis.call('HSET', keys.clients, member.uid, cjson.encode({member.id}))
  redis.call('HSET', keys.users, member.uid, member.user)
  redis.call('ZADD', keys.order, entered, member.uid)
  journal(1)
  redis.call('HSETNX', keys.state, 'version', redis.call('HGET', keys.epoch, 'floor') or 0)
  push_change(keys, 'j', entered, member.uid, member.user)
  return 1, mark_due(keys, context), entered, goes_on and 0 or context.now
end

-- `at`: when it was, ms, for the journal.
local function leave(keys, member, context, at)
  local clients = redis.call('HGET', keys.clients, member.uid)
  if not clients then return 0, -1 end
  local rest = {}
  local found = false
  for _, id in ipairs(cjson.decode(clients)) do
    if id == member.id then found = true else rest[#rest + 1] = id end
  end
  if not found then return 0, -1 end

  local function journal(transition)
    put_into_journal(
      keys.journal, keys.journal_state, context.bound, 'epoch', context.epoch, 'type', 'out', 'channel', keys.channel,
      'uid', member.uid, 'clientId', member.id, 'transition', transition, 'at', at
    )
  end

  if #rest > 0 then
    redis.call('HSET', keys.clients, member.uid, cjson.encode(rest))
    journal(0)
    return 0, -1
  end
  local user = redis.call('HGET', keys.users, member.uid)
  local entered = redis.call('ZSCORE', keys.order, member.uid)
  redis.call('HDEL', keys.clients, member.uid)
  redis.call('HDEL', keys.users, member.uid)
  redis.call('ZREM', keys.order, member.uid)
  -- Not ours: no node was told of it, so there is nothing to take back.
  if not user or not entered then return 0, -1 end
  journal(1)
  push_change(keys, 'l', string.format('%016.0f', entered), member.uid, user)
  return 1, mark_due(keys, context)
end
