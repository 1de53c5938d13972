-- Takes a client out of a channel whose record does not say that it is there, if nothing has changed since it was read.
--
-- Atomic because the client may enter at the same moment.
--
-- KEYS  1 epoch   2 client, where its record is in this partition
-- ARGV  1 clientId   2 uid   3 channel   4 in which generation and revision it is in, as `rows` says, or ''
--       5 what the names of keys begin with   6 window: base, ms   7 per user, ms   8 max, ms
--       9 entries of the journal at most
-- returns {1 for a leave or 0, ms until due or -1}

local epoch_key, client = KEYS[1], KEYS[2]
local id, uid, name, seen, root, base, per_user, max, bound = unpack(ARGV)

--- @include "quiet"
--- @include "channel"
--- @include "whole"
--- @include "journal"
--- @include "membership"

local epoch = redis.call('HGET', epoch_key, 'id')
local keys = keys_of(root, name)
if not epoch or not is_whole(keys) then return {0, -1} end
if client then
  local stays = redis.call('HGET', client, 'stays')
  if stays and cjson.decode(stays)[name] then return {0, -1} end
elseif (redis.call('HGET', keys.rows, id) or '') ~= seen then
  return {0, -1}
end
--- @include "now"
redis.call('HDEL', keys.rows, id)
local context = {epoch = epoch, now = now, time = time, base = base, per_user = per_user, max = max, bound = bound}
return {leave(keys, {id = id, uid = uid}, context, now)}
