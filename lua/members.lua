-- Enters and leaves channels for a client whose record is in another partition.
--
-- Nothing orders two steps of a client here but their generation and revision: each channel knows in which a client is in
-- (`rows`), and for a while in which it has left (`left`), also where it was not in. An older one changes nothing.
--
-- Atomic for the same reason as a write: a membership must not be without its entry in the journal.
--
-- KEYS  1 epoch   2 nodes   3 terms
-- ARGV  1 clientId   2 node   3 its term in this partition   4 generation   5 revision
--       6 uid   7 user, JSON (opaque)   8 1 where its name may be another than before   9 when it ended, ms, or '' for now
--       10 channels to leave, JSON array   11 channels to enter, JSON array of [name, since when the user is in, microseconds
--       (16 digits), or '', the epoch in which it was entered last, or '']
--       12 what the names of keys begin with   13 window: base, ms   14 per user, ms   15 max, ms
--       16 entries of the journal at most   17 for how long it is known who has left, ms
-- returns {'ok', epoch, {{channel, 1 entered or 0 left, 1 for a join or a leave or 0, ms until due or -1, since or '', came or 0}...}},
--         {'stale', generation} where the client has entered or left one of them in a later revision, {'fenced'}, or {'later'} where an epoch has to begin first

local epoch_key, nodes, terms = unpack(KEYS)
local id, node, term, generation, revision, uid, user, is_renamed, at, outs, ins = unpack(ARGV, 1, 11)
local root, base, per_user, max, bound, tombstone_ms = unpack(ARGV, 12, 17)

--- @include "quiet"
--- @include "fence"
--- @include "channel"
--- @include "whole"
--- @include "journal"
--- @include "membership"

if not holds_lease(nodes, terms, node, term) then return {'fenced'} end
local epoch = redis.call('HGET', epoch_key, 'id')
if not epoch then return {'later'} end
--- @include "now"

-- Negative where this step is older than what is known, 0 where it is the same.
local function compare(known)
  if not known then return 1 end
  local its_generation, its_revision, until_ms = string.match(known, '(%d+) (%d+) ?(%d*)')
  if until_ms ~= '' and tonumber(until_ms) <= now then return 1 end
  if tonumber(generation) ~= tonumber(its_generation) then return generation - its_generation end
  return revision - its_revision
end

-- Of a channel that many leave all the time.
local function forget_old(left)
  if redis.call('HLEN', left) < 1000 then return end
  local known = redis.call('HGETALL', left)
  for i = 1, #known, 2 do
    if tonumber(string.match(known[i + 1], '%d+$')) <= now then redis.call('HDEL', left, known[i]) end
  end
end

local leaving, entering = {}, {}
for _, name in ipairs(cjson.decode(outs)) do
  local keys = keys_of(root, name)
  if not is_whole(keys) then return {'later'} end
  leaving[#leaving + 1] = keys
end
local stale_generation
for _, channel in ipairs(cjson.decode(ins)) do
  local keys = keys_of(root, channel[1])
  if not is_whole(keys) then return {'later'} end
  local row, left = redis.call('HGET', keys.rows, id), redis.call('HGET', keys.left, id)
  if compare(row) < 0 or compare(left) <= 0 then
    stale_generation = string.match(compare(row) < 0 and row or left, '%d+')
  else
    entering[#entering + 1] = {keys = keys, stay = {since = channel[2], epoch = channel[3]}}
  end
end
if stale_generation then return {'stale', stale_generation} end

local context = {epoch = epoch, now = now, time = time, base = base, per_user = per_user, max = max, bound = bound}
local member = {id = id, uid = uid, user = user}
local changes = {}
for _, keys in ipairs(leaving) do
  if compare(redis.call('HGET', keys.rows, id)) >= 0 and compare(redis.call('HGET', keys.left, id)) >= 0 then
    redis.call('HDEL', keys.rows, id)
    redis.call('HSET', keys.left, id, string.format('%s %s %.0f', generation, revision, now + tombstone_ms))
    redis.call('PEXPIRE', keys.left, tombstone_ms)
    forget_old(keys.left)
    local changed, due = leave(keys, member, context, at ~= '' and at or now)
    changes[#changes + 1] = {keys.channel, 0, changed, due, '', 0}
  end
end
for _, each in ipairs(entering) do
  redis.call('HSET', each.keys.rows, id, generation .. ' ' .. revision)
  redis.call('HDEL', each.keys.left, id)
  local changed, due, since, came = enter(each.keys, member, context, each.stay, is_renamed == '1')
  changes[#changes + 1] = {each.keys.channel, 1, changed, due, since, came}
end
return {'ok', epoch, changes}
