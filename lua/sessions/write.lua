-- Writes the record of a client, as its owner has it in memory. A newer record stands, and so does one that another node claimed
-- or ends. May be repeated.
--
-- A record that is missing although it was written in this epoch is that of a client that has ended: it is not written again.
-- While the nodes write their clients again, in a new epoch, no end is written: another node may have the client.
--
-- Atomic because two nodes may both believe that a client is theirs, after Redis lost its data: the later generation has it.
--
-- KEYS  1 client   2 nodes   3 terms   4 epoch
-- ARGV  1 clientId   2 node   3 its term   4 generation   5 revision   6 the epoch in which it was last written, or ''
--       7 subscriptions, JSON (opaque)   8 'ending', or '' while the client lives
--       9 what the names of indexes begin with   10 what the names of the nodes' Pub/Sub channels begin with
--       11 'PUBLISH' or 'SPUBLISH'
-- returns {'written', epoch, 1 where there was no record or 0}, {'fenced'}, {'later'} in a new epoch,
--         {'absent'}, or {'refused', owner, generation, revision, 'ending' or ''}

local client, nodes, terms, epoch_key = unpack(KEYS)
local id, node, term, generation, revision, written, subscriptions, state = unpack(ARGV, 1, 8)
local notice = {indexes = ARGV[9], channels = ARGV[10], command = ARGV[11], ago = 0}

--- @include "quiet"
--- @include "fence"
--- @include "change-owner"

if not holds_lease(nodes, terms, node, term) then return {'fenced'} end
local epoch = redis.call('HGET', epoch_key, 'id')
if not epoch then return {'later'} end
--- @include "now"
if state == 'ending' and now < quiet_until(epoch_key, now) then return {'later'} end
local record = redis.call('HMGET', client, 'node', 'generation', 'revision', 'state')
local owner = record[1]

if not owner then
  if written == epoch then
    redis.call('SREM', notice.indexes .. node, id)
    return {'absent'}
  end
  -- Of a client that has no record nothing is left to remove.
  if state == 'ending' then return {'written', epoch, 0} end
else
  local is_newer = tonumber(record[2]) > tonumber(generation)
  local is_same = tonumber(record[2]) == tonumber(generation)
  local is_refused
  if owner == node then is_refused = is_newer or (is_same and tonumber(record[3]) > tonumber(revision))
  else is_refused = record[4] == 'ending' or is_newer or is_same end
  if is_refused then return {'refused', owner, record[2], record[3], record[4] or ''} end
end

redis.call('HSET', client, 'node', node, 'generation', generation, 'revision', revision, 'epoch', epoch, 'channels', subscriptions)
if state == 'ending' then redis.call('HSET', client, 'state', state)
elseif record[4] then redis.call('HDEL', client, 'state', 'lost_at') end
change_owner(id, owner, node, generation, notice)
return {'written', epoch, owner and 0 or 1}
