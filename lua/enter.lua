-- Adds one client of a user to a channel. The user's first client makes a join, which is put among the pending changes
-- and marks the channel to be announced. Each client that comes is put into the journal. Repeating it changes nothing.
--
-- A stay that goes on after Redis had lost its data comes with the time since when the user is in: it is no client that
-- comes, and not journalled. A user who is announced keeps its place all the same: one version is one list, in one order.
--
-- The name of a user is that of its newest client. Another name is put among the pending changes as a leave under the old
-- name and a join under the new one, in the same place: the list stays the same, and is announced.
--
-- Refused where the client's record does not say that it means to enter the channel: whoever ended it, or moved it, has
-- not seen this membership and will not take it back. Where the record is in another partition the channel itself knows
-- who has left it lately, and by which intent: an enter by an older one is refused, and so is one that is older than that
-- is known for.
--
-- Atomic because two tabs of one user, on two nodes, read and write the same array: done in two steps one would be lost;
-- and because a membership must not be without its record and its entry in the journal.
--
-- A pending change is 'j' (join) or 'l' (leave), when the user entered (16 digits), the length of its uid in bytes
-- (4 digits), the uid, and the user's JSON.
--
-- KEYS  1 uid_to_clientIds<channel>   2 users<channel>   3 order<channel>   4 state<channel>   5 pending<channel>
--       6 dirty   7 epoch   8 intents<channel>   9 journal   10 journal_state   11 clientId_auth/<clientId>, or
--       left<channel> where that is in another partition
-- ARGV  1 channel   2 uid   3 clientId   4 user, JSON (opaque)   5 window: base, ms   6 window: per user, ms
--       7 window: max, ms   8 entries of the journal at most   9 when the client meant to enter, ms   10 how old that may
--       be, ms   11 since when the user is in, microseconds (16 digits), or '' for a stay that begins   12 '1' where the
--       client's record is in another partition   13 1 where the name counts that a client which is in already comes with
-- returns {1 for a join or 0, ms until due where this call marked the channel or -1, since when the user is in, when this
--         call made the client come (ms) or 0};
--         {-1} where it is refused, {-2} where Redis has lost its data, or a part of the channel, and no epoch has begun yet

--- @include "quiet"
--- @include "whole"
--- @include "journal"

if not is_whole() then return {-2} end
local epoch = redis.call('HGET', KEYS[7], 'id')
if not epoch then return {-2} end
--- @include "now"

local function is_meant()
  if ARGV[12] == '1' then
    local left = tonumber(redis.call('ZSCORE', KEYS[11], ARGV[3]) or 0)
    return now - ARGV[9] <= tonumber(ARGV[10]) and left < tonumber(ARGV[9])
  end
  local known = redis.call('GET', KEYS[11])
  if not known then return false end
  local record = cjson.decode(known)
  if record.state ~= 'in' then return false end
  return string.find(' ' .. record.channels .. ' ', ' ' .. ARGV[1] .. ' ', 1, true) ~= nil
end
if not is_meant() then return {-1} end
if ARGV[12] == '1' then redis.call('HSET', KEYS[8], ARGV[3], ARGV[9]) end

-- A stay that goes on is there already.
local function journal(transition)
  if ARGV[11] ~= '' then return end
  put_into_journal(
    KEYS[9], KEYS[10], ARGV[8], 'epoch', epoch, 'type', 'in', 'channel', ARGV[1], 'uid', ARGV[2], 'clientId', ARGV[3],
    'transition', transition, 'at', now, 'user', ARGV[4]
  )
end

-- Whether nobody was told yet that the user is in. Its first pending change says whether it was.
local function is_unannounced()
  for _, change in ipairs(redis.call('LRANGE', KEYS[5], 0, -1)) do
    local length = tonumber(string.sub(change, 18, 21))
    if string.sub(change, 22, 21 + length) == ARGV[2] then return string.sub(change, 1, 1) == 'j' end
  end
  return false
end

local function push(kind, entered, user)
  redis.call('RPUSH', KEYS[5], kind .. entered .. string.format('%04d', #ARGV[2]) .. ARGV[2] .. user)
end

-- Returns ms until due, or -1 where the channel was marked before.
local function mark()
  local users = redis.call('HLEN', KEYS[2])
  local window = math.ceil(math.min(ARGV[5] + ARGV[6] * users, ARGV[7]))
  local quiet = quiet_until(KEYS[7], now)
  -- What comes in while the nodes write down who is with them is one announcement, and before it there is no list.
  if now < quiet then redis.call('HSET', KEYS[4], 'hush', 1) end
  local due = math.max(now + window, quiet)
  if redis.call('ZADD', KEYS[6], 'NX', due, ARGV[1]) == 0 then return -1 end
  return due - now
end

-- The new JSON of the user, with its uid as a number or a string as it was given first.
local function renamed(before)
  local was_text, is_text = string.sub(before, 8, 8) == '"', string.sub(ARGV[4], 8, 8) == '"'
  if was_text == is_text then return ARGV[4] end
  local uid = was_text and '"' .. ARGV[2] .. '"' or ARGV[2]
  return '{"uid":' .. uid .. string.sub(ARGV[4], 8 + #ARGV[2] + (is_text and 2 or 0))
end

local function rename(entered)
  local before = redis.call('HGET', KEYS[2], ARGV[2])
  local user = renamed(before)
  if user == before then return -1 end
  redis.call('HSET', KEYS[2], ARGV[2], user)
  push('l', entered, before)
  push('j', entered, user)
  return mark()
end

local clients = redis.call('HGET', KEYS[1], ARGV[2])
-- An entry without its user is none of ours: the gem, which had the same key, left it there.
if clients and redis.call('HEXISTS', KEYS[2], ARGV[2]) == 1 then
  local ids = cjson.decode(clients)
  local known = false
  for _, id in ipairs(ids) do known = known or id == ARGV[3] end
  if not known then
    ids[#ids + 1] = ARGV[3]
    redis.call('HSET', KEYS[1], ARGV[2], cjson.encode(ids))
    journal(0)
  end
  local entered = string.format('%016.0f', redis.call('ZSCORE', KEYS[3], ARGV[2]))
  if ARGV[11] ~= '' and ARGV[11] < entered and is_unannounced() then
    entered = ARGV[11]
    redis.call('ZADD', KEYS[3], entered, ARGV[2])
  end
  local due = -1
  if ARGV[11] == '' and (not known or ARGV[13] == '1') then due = rename(entered) end
  local came = (known or ARGV[11] ~= '') and 0 or now
  return {0, due, entered, came}
end

local entered = ARGV[11] ~= '' and ARGV[11] or string.format('%010d%06d', time[1], time[2])
redis.call('HSET', KEYS[1], ARGV[2], cjson.encode({ARGV[3]}))
redis.call('HSET', KEYS[2], ARGV[2], ARGV[4])
redis.call('ZADD', KEYS[3], entered, ARGV[2])
journal(1)

redis.call('HSETNX', KEYS[4], 'version', redis.call('HGET', KEYS[7], 'floor') or 0)
push('j', entered, ARGV[4])
return {1, mark(), entered, ARGV[11] ~= '' and 0 or now}
