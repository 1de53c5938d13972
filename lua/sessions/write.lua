-- Writes the record of a client, as its owner has it in memory, and makes its memberships in this partition what the record says;
-- in the same step, so that none is without a record, or without its entry in the journal. A newer record stands, and so does one
-- that another node claimed or ends. May be repeated.
--
-- A record that is missing although it was written in this epoch is that of a client that has ended: it is not written again.
-- While the nodes write their clients again, in a new epoch, no end is written: another node may have the client.
--
-- Channels in other partitions are named in the record before they are entered there (lua/members.lua), and until they are left.
-- An end without such a channel removes the record.
--
-- Atomic because two nodes may both believe that a client is theirs, after Redis lost its data: the later generation has it.
--
-- KEYS  1 client   2 nodes   3 terms   4 epoch
-- ARGV  1 clientId   2 node   3 its term   4 generation   5 revision   6 the epoch in which it was last written, or ''
--       7 'ending', or '' while the client lives   8 '1' where the session is suspect
--       9 subscriptions, JSON (opaque)   10 identity, JSON (opaque), or ''   11 uid   12 user, JSON (opaque)
--       13 'hidden', 'shown' or ''   14 since when, ms, or '' for now
--       15 channels: JSON array of [name, '1' in this partition or '', since when the user is in, microseconds (16 digits), or '' for
--          a stay that begins, when the client came, ms, or '', the epoch in which it was entered last, or '']
--       16 what the names of keys begin with   17 what the names of the nodes' Pub/Sub channels begin with
--       18 'PUBLISH' or 'SPUBLISH'   19 window: base, ms   20 per user, ms   21 max, ms   22 entries of the journal at most
--       23 channels of other partitions that were left: JSON array
-- returns {'written', epoch, 1 where there was no record or 0, 1 where the client has ended or 0, since when it is hidden or
--         shown or '', {{channel, 1 entered or 0 left, 1 for a join or a leave or 0, ms until due or -1, since or '', came or 0,
--         the epoch in which it was entered last or nothing}...}, {channel of another partition to leave...}},
--         {'fenced'}, {'later'} in a new epoch, or where one has to begin first, {'absent'},
--         or {'refused', owner, generation, revision, 'ending' or ''}

local client, nodes, terms, epoch_key = unpack(KEYS)
local id, node, term, generation, revision, written, state, in_doubt = unpack(ARGV, 1, 8)
local subscriptions, identity, uid, user, visibility, visible_since, wanted = unpack(ARGV, 9, 15)
local root, inboxes, publish, base, per_user, max, bound, left_elsewhere = unpack(ARGV, 16, 23)
local is_end = state == 'ending'

--- @include "quiet"
--- @include "fence"
--- @include "change-owner"
--- @include "channel"
--- @include "whole"
--- @include "journal"
--- @include "membership"

if not holds_lease(nodes, terms, node, term) then return {'fenced'} end
local epoch = redis.call('HGET', epoch_key, 'id')
if not epoch then return {'later'} end
--- @include "now"
local record = redis.call(
  'HMGET', client, 'node', 'generation', 'revision', 'state', 'epoch', 'stays', 'uid', 'user', 'visibility', 'visible_since', 'lost_at'
)
local owner = record[1]

if not owner then
  if written == epoch then
    -- A replica that has taken the place of its master may lack the record: an epoch has to begin first.
    local run_id = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
    if redis.call('HGET', epoch_key, 'run_id') ~= run_id then return {'later'} end
    -- Where Redis lost the record alone, nobody knows in which channels the client is left: all are looked through.
    if redis.call('SREM', root .. '/engine/clients_of/' .. node, id) == 1 then redis.call('HDEL', epoch_key, 'swept') end
    return {'absent'}
  end
else
  local is_newer = tonumber(record[2]) > tonumber(generation)
  local is_same = tonumber(record[2]) == tonumber(generation)
  local is_refused
  if owner == node then is_refused = is_newer or (is_same and tonumber(record[3]) > tonumber(revision))
  else is_refused = record[4] == 'ending' or is_newer or is_same end
  if is_refused then return {'refused', owner, record[2], record[3], record[4] or ''} end
end
if is_end and now < quiet_until(epoch_key, now) then return {'later'} end

local before = cjson.decode(record[6] or '{}')
local is_other_user = record[7] and record[7] ~= uid and not is_end
local channels = cjson.decode(wanted)
local is_wanted = {}
for _, channel in ipairs(channels) do is_wanted[channel[1]] = true end
for _, name in ipairs(cjson.decode(left_elsewhere)) do
  if not is_wanted[name] then before[name] = nil end
end

-- What is to be entered or left here. Nothing is done where a part of a channel is missing.
local user_changed = record[8] and record[8] ~= user
local entering, leaving, staying, foreign = {}, {}, {}, {}
for _, channel in ipairs(channels) do
  local name, is_here = channel[1], channel[2] == '1'
  if is_here and (in_doubt == '1' or user_changed or not before[name]) then
    entering[#entering + 1] = {keys = keys_of(root, name), stay = {since = channel[3], epoch = channel[5]}, came = channel[4]}
  elseif is_here then
    local since, came, its_epoch = string.match(before[name], '^%a (%d*) (%d*) (%S*)')
    staying[#staying + 1] = {name, 1, 0, -1, since, came, its_epoch}
  end
end
for name, stay in pairs(before) do
  if not is_wanted[name] or is_other_user then
    if string.sub(stay, 1, 1) == 'h' then leaving[#leaving + 1] = keys_of(root, name)
    elseif not is_wanted[name] then foreign[#foreign + 1] = name end
  end
end
for _, each in ipairs(entering) do
  if not is_whole(each.keys) then return {'later'} end
end
for _, keys in ipairs(leaving) do
  if not is_whole(keys) then return {'later'} end
end

local context = {epoch = epoch, now = now, time = time, base = base, per_user = per_user, max = max, bound = bound}
local member = {id = id, uid = uid, user = user}
local changes = staying
for _, keys in ipairs(leaving) do
  local left = {id = id, uid = record[7] or uid}
  local changed, due = leave(keys, left, context, record[11] or now)
  changes[#changes + 1] = {keys.channel, 0, changed, due, '', 0}
end
-- 'h' for a channel of this partition, 'e' for one elsewhere, 'o' for one there that is to be left; since when the user is in,
-- when the client came, and the epoch in which it was entered last.
local stays = {}
for _, channel in ipairs(channels) do
  local name, is_here = channel[1], channel[2] == '1'
  local known = before[name]
  if known and string.sub(known, 1, 1) ~= 'o' and (is_here or channel[3] == '') then stays[name] = known end
  stays[name] = stays[name] or ((is_here and 'h ' or 'e ') .. channel[3] .. ' ' .. channel[4] .. ' ' .. channel[5])
end
for _, each in ipairs(entering) do
  local changed, due, since, came = enter(each.keys, member, context, each.stay, user_changed and not is_other_user)
  local name = each.keys.channel
  changes[#changes + 1] = {name, 1, changed, due, since, came, epoch}
  local known = each.came
  if known == '' and before[name] then known = string.match(before[name], '^%a %d* (%d*)') end
  stays[name] = 'h ' .. since .. ' ' .. (came > 0 and string.format('%.0f', came) or known) .. ' ' .. epoch
end
for _, name in ipairs(foreign) do stays[name] = 'o' .. string.sub(before[name], 2) end

if visibility ~= '' then
  local last = tonumber(record[10] or 0)
  local is_change
  if visible_since == '' then is_change = record[9] ~= visibility
  else is_change = tonumber(visible_since) > last end
  -- Times put the changes in order, whatever the clock does.
  if visible_since == '' then visible_since = string.format('%.0f', is_change and math.max(now, last + 1) or last) end
  if is_change then
    redis.call('HSET', client, 'visibility', visibility, 'visible_since', visible_since)
    put_into_journal(
      root .. '/journal', root .. '/journal_state', bound, 'epoch', epoch, 'type', visibility, 'uid', uid, 'clientId', id,
      'at', visible_since
    )
  end
end

if visibility == '' and record[9] then redis.call('HDEL', client, 'visibility', 'visible_since') end

local notice = {indexes = root .. '/engine/clients_of/', channels = inboxes, command = publish, ago = 0}
if is_end and #foreign == 0 then
  redis.call('DEL', client)
  redis.call('SREM', notice.indexes .. node, id)
  if owner and owner ~= node then redis.call('SREM', notice.indexes .. owner, id) end
  return {'written', epoch, 0, 1, '', changes, {}}
end
redis.call(
  'HSET', client, 'node', node, 'generation', generation, 'revision', revision, 'epoch', epoch, 'channels', subscriptions,
  'stays', cjson.encode(stays)
)
if identity ~= '' then redis.call('HSET', client, 'identity', identity, 'uid', uid, 'user', user)
elseif #foreign == 0 then redis.call('HDEL', client, 'identity', 'uid', 'user') end
if is_end then redis.call('HSET', client, 'state', state)
elseif record[4] then redis.call('HDEL', client, 'state', 'lost_at') end
change_owner(id, owner, node, generation, notice)
return {'written', epoch, owner and 0 or 1, 0, visible_since, changes, foreign}
