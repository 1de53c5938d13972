-- Takes one client of a user out of a channel. The user's last client makes a leave, which is put among the pending
-- changes and marks the channel to be announced. Each client that goes is put into the journal. Repeating it changes
-- nothing.
--
-- Nor does it where the client's record says that it means to be in the channel: whoever leaves it for an older intent, or an
-- end that is over, comes too late. Where the record is in another partition the channel itself knows by which intent the
-- client is in; and keeps for a while by which it has left, so that what was meant earlier does not enter any more.
--
-- Atomic for the same reasons as enter: the array of clientIds is read and written back, and journalled as it is.
--
-- KEYS  1 uid_to_clientIds<channel>   2 users<channel>   3 order<channel>   4 state<channel>   5 pending<channel>
--       6 dirty   7 epoch   8 intents<channel>   9 journal   10 journal_state   11 clientId_auth/<clientId>, or
--       left<channel> where that is in another partition
-- ARGV  1 channel   2 uid   3 clientId   4 window: base, ms   5 window: per user, ms   6 window: max, ms
--       7 entries of the journal at most   8 when it was, ms, for the journal, or '' for now   9 the intent, or the
--       end, that it is left for, ms, or '' where the client is not known any more   10 for how long to know that, ms
--       11 '1' where the client's record is in another partition
-- returns {1 for a leave or 0, ms until due where this call marked the channel or -1}. Of a channel of which a part is missing
--         nobody is left once it is found out.

--- @include "quiet"
--- @include "whole"
--- @include "journal"

--- @include "now"

local function is_meant()
  if ARGV[11] == '1' then
    if ARGV[9] == '' then return false end
    return tonumber(redis.call('HGET', KEYS[8], ARGV[3]) or 0) > tonumber(ARGV[9])
  end
  local known = redis.call('GET', KEYS[11])
  if not known then return false end
  local record = cjson.decode(known)
  if record.state ~= 'in' then return false end
  return string.find(' ' .. record.channels .. ' ', ' ' .. ARGV[1] .. ' ', 1, true) ~= nil
end
if is_meant() then return {0, -1} end
if ARGV[11] == '1' then
  redis.call('HDEL', KEYS[8], ARGV[3])
  if ARGV[9] ~= '' then
    redis.call('ZADD', KEYS[11], 'GT', ARGV[9], ARGV[3])
    redis.call('ZREMRANGEBYSCORE', KEYS[11], '-inf', now - ARGV[10])
    redis.call('PEXPIRE', KEYS[11], ARGV[10])
  end
end

if not is_whole() then return {0, -1} end
local clients = redis.call('HGET', KEYS[1], ARGV[2])
if not clients then return {0, -1} end

local rest = {}
local found = false
for _, id in ipairs(cjson.decode(clients)) do
  if id == ARGV[3] then found = true else rest[#rest + 1] = id end
end
if not found then return {0, -1} end

-- Until the next begins, what ends has been in the last.
local epoch = redis.call('HGET', KEYS[7], 'id') or redis.call('HGET', KEYS[7], 'was')

local function journal(transition)
  put_into_journal(
    KEYS[9], KEYS[10], ARGV[7], 'epoch', epoch or '', 'type', 'out', 'channel', ARGV[1], 'uid', ARGV[2],
    'clientId', ARGV[3], 'transition', transition, 'at', ARGV[8] ~= '' and ARGV[8] or now
  )
end

if #rest > 0 then
  redis.call('HSET', KEYS[1], ARGV[2], cjson.encode(rest))
  journal(0)
  return {0, -1}
end

local user = redis.call('HGET', KEYS[2], ARGV[2])
local entered = redis.call('ZSCORE', KEYS[3], ARGV[2])
redis.call('HDEL', KEYS[1], ARGV[2])
redis.call('HDEL', KEYS[2], ARGV[2])
redis.call('ZREM', KEYS[3], ARGV[2])
-- Not ours: nobody was told of it, so there is nothing to take back.
if not user or not entered then return {0, -1} end
journal(1)
redis.call(
  'RPUSH', KEYS[5],
  'l' .. string.format('%016.0f', entered) .. string.format('%04d', #ARGV[2]) .. ARGV[2] .. user
)

local users = redis.call('HLEN', KEYS[2])
local window = math.ceil(math.min(ARGV[4] + ARGV[5] * users, ARGV[6]))
local quiet = quiet_until(KEYS[7], now)
if now < quiet then redis.call('HSET', KEYS[4], 'hush', 1) end
local due = math.max(now + window, quiet)
if redis.call('ZADD', KEYS[6], 'NX', due, ARGV[1]) == 0 then return {1, -1} end
return {1, due - now}
