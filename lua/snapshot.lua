-- Reads a channel as it was last announced: its version and its users then, oldest first. Changes that are still pending
-- are undone, so that one version is one list, whoever reads it, and a join and a leave that cancel out show to nobody.
--
-- There is no list in the quiet time of a new epoch, and then not before what came in during it is announced: it would be
-- a part of the list.
--
-- Atomic because the version must be that of the users read with it.
--
-- KEYS  1 epoch
-- ARGV  1 what the names of keys begin with   2 channel   3 users to return at most
-- returns {epoch, version, number of users, {user JSON, ...}}; or for how long to wait before asking again, ms; or nil
--         where Redis has lost its data, or a part of the channel, and no epoch has begun yet

--- @include "quiet"
--- @include "channel"
--- @include "whole"

local keys = keys_of(ARGV[1], ARGV[2])
if not is_whole(keys) then return nil end
local limit = tonumber(ARGV[3])
local epoch = redis.call('HMGET', keys.epoch, 'id', 'floor')
if not epoch[1] then return nil end
--- @include "now"
local quiet = quiet_until(keys.epoch, now)
if now < quiet then return quiet - now end
local state = redis.call('HMGET', keys.state, 'version', 'hush')
if state[2] then return 20 end

local version = state[1] or epoch[2] or 0
local count = redis.call('HLEN', keys.users)

-- The first pending change of a user says whether it was there: one that joins was not, one that leaves was.
local first = {}
local undone = {}
local pending = redis.call('LRANGE', keys.pending, 0, -1)
for _, change in ipairs(pending) do
  local length = tonumber(string.sub(change, 18, 21))
  local uid = string.sub(change, 22, 21 + length)
  if not first[uid] then
    local was = string.sub(change, 1, 1) == 'l'
    first[uid] = true
    if was then
      undone[#undone + 1] = {score = string.sub(change, 2, 17), user = string.sub(change, 22 + length)}
    end
    local is = redis.call('HEXISTS', keys.users, uid) == 1
    if was and not is then count = count + 1 end
    if is and not was then count = count - 1 end
  end
end
table.sort(undone, function(a, b) return a.score < b.score end)

local users = {}
local uids = {}
local members = redis.call('ZRANGE', keys.order, 0, limit + #pending - 1, 'WITHSCORES')
local next = 1
for i = 1, #members, 2 do
  if #users >= limit then break end
  local uid = members[i]
  if not first[uid] then
    -- Scores have 16 digits, and compare as text once they are written out.
    local score = string.format('%016.0f', members[i + 1])
    while undone[next] and undone[next].score < score and #users < limit do
      users[#users + 1] = undone[next].user
      next = next + 1
    end
    if #users < limit then
      users[#users + 1] = false
      uids[#uids + 1] = {place = #users, uid = uid}
    end
  end
end
while undone[next] and #users < limit do
  users[#users + 1] = undone[next].user
  next = next + 1
end
-- In steps: Lua's unpack has a limit of some thousand values.
for start = 1, #uids, 1000 do
  local part = {}
  for i = start, math.min(start + 999, #uids) do part[#part + 1] = uids[i].uid end
  local found = redis.call('HMGET', keys.users, unpack(part))
  for i, user in ipairs(found) do users[uids[start + i - 1].place] = user end
end
return {epoch[1], tonumber(version), count, users}
