-- Makes a node the owner of a client, and sends the owner that loses it a notice.
--
--   adopt   where the client is known (`located`), in the generation and revision that the node has seen, whether or not its owner lives
--   end     where it is known, to be ended
--   reap    where its owner is that dead node, whose clients are to be ended; also a client that was being ended
--   self    where the node is its owner already, to be ended
--   raise   where the node is its owner already, for a generation above all that another partition knows of the client
--
-- A node that adopts a client receives the messages of its subscriptions by then; where the client has subscribed to something
-- since, it has to begin again.
--
-- The generation grows with each claim, and is never one that an owner had whose record was lost: it is at least the time.
--
-- Atomic because of two nodes that claim a client, and one that ends it, exactly one may win. The notice is part of it: an owner
-- that does not get one knows that its connection was lost.
--
-- KEYS  1 client   2 nodes   3 terms   4 epoch   5 dead nodes   6 last signs of life of dead nodes
-- ARGV  1 clientId   2 node   3 its term   4 'adopt', 'end', 'reap', 'self' or 'raise'   5 the epoch that the node knows   6 the dead node, or ''
--       7 what the names of indexes begin with   8 what the names of the nodes' Pub/Sub channels begin with
--       9 'PUBLISH' or 'SPUBLISH'   10 for how long the client has been at the node, ms
--       11 generation   12 revision, where it is adopted; 11 the generation to be above, where it is raised
-- returns {'mine', generation, epoch, 1 where the owner before lives and got the notice or 0, what `kept` returns...},
--         {'fenced'}, {'later'}, {'none'}, or {'changed'} where the owner is another, or the client has changed

local client, nodes, terms, epoch_key, dead, last_signs = unpack(KEYS)
local id, node, term, mode, known_epoch, dead_node = unpack(ARGV, 1, 6)
local seen_generation, seen_revision = ARGV[11], ARGV[12]
local notice = {indexes = ARGV[7], channels = ARGV[8], command = ARGV[9], ago = ARGV[10]}

--- @include "quiet"
--- @include "fence"
--- @include "located"
--- @include "change-owner"
--- @include "now"

if not holds_lease(nodes, terms, node, term) then return {'fenced'} end
local epoch = redis.call('HGET', epoch_key, 'id')
if not epoch then return {'later'} end
local owner, known, revision = unpack(redis.call('HMGET', client, 'node', 'generation', 'revision'))

if mode == 'adopt' or mode == 'end' then
  local answer = located(client, epoch, known_epoch, now < quiet_until(epoch_key, now), nodes, node, now)
  if answer[1] ~= 'at' then return {answer[1]} end
  if mode == 'adopt' and (known ~= seen_generation or revision ~= seen_revision) then return {'changed'} end
elseif mode == 'reap' then
  if owner ~= dead_node then
    -- Older data may count a client for a node that does not have it any more. Where its record is missing, nobody knows in which
    -- channels it is left: all are looked through.
    if not owner then redis.call('HDEL', epoch_key, 'swept') end
    redis.call('SREM', notice.indexes .. dead_node, id)
    return {'changed'}
  end
  if tonumber(redis.call('ZSCORE', nodes, dead_node) or 0) > now then return {'changed'} end
  local due = redis.call('ZSCORE', dead, dead_node)
  if not due or tonumber(due) > now then return {'changed'} end
  redis.call('HSETNX', client, 'lost_at', redis.call('ZSCORE', last_signs, dead_node) or now)
elseif mode == 'raise' and now < quiet_until(epoch_key, now) then
  return {'later'}
elseif owner ~= node then
  redis.call('SREM', notice.indexes .. node, id)
  return {'changed'}
end

local generation = string.format('%.0f', math.max(tonumber(known) + 1, now, mode == 'raise' and seen_generation + 1 or 0))
redis.call('HSET', client, 'node', node, 'generation', generation, 'revision', 0, 'epoch', epoch)
if mode ~= 'adopt' and mode ~= 'raise' then redis.call('HSET', client, 'state', 'ending') end
local is_noticed = change_owner(id, owner, node, generation, notice) > 0
local is_alive = tonumber(redis.call('ZSCORE', nodes, owner) or 0) > now
return {'mine', generation, epoch, is_noticed and is_alive and 1 or 0, kept(client)}
