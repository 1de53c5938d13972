-- Says in which epoch the data is. A Redis that lost its data, was restarted, or is a replica in the place of another,
-- may hold less than was announced, so versions can't be compared any more: a new epoch begins. For a while nothing is
-- announced in it, until the nodes have written down again who is with them.
--
-- Where there is no data at all, and the node knew of none, it is the very beginning, unless others are there: whoever listens
-- has looked before, and found an epoch or begun one, so it has been lost. A loss does not end who listens.
--
-- Redis that runs out of memory may evict keys of ours: nobody knows which, so that is a loss as well. Where others keep their data
-- in the same Redis it may evict theirs all the time; so an epoch that has just begun does not end by that for a minute.
--
-- A script that finds that a part of a channel is missing removes the epoch's id, and says why (lua/includes/whole.lua).
--
-- Atomic because all nodes come back at the same time and must agree on one epoch.
--
-- KEYS  1 epoch
-- ARGV  1 the epoch that the node knew, or ''   2 a random id for a new epoch   3 how long nothing is announced, ms
--       4 Pub/Sub channel that nodes listen to
-- returns {the epoch's id, for how long nothing is announced yet, ms, why the epoch has begun}

--- @include "quiet"

local EVICTIONS_MS = 60000
local run_id = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
local evicted = tonumber(string.match(redis.call('INFO', 'stats'), 'evicted_keys:(%d+)') or 0)
--- @include "now"
local known = redis.call('HMGET', KEYS[1], 'id', 'run_id', 'begun', 'evicted', 'cause')
local id, begun, quiet = known[1], tonumber(known[3] or now), quiet_until(KEYS[1], now)
local cause = known[5] or ''
local evicted_since = evicted - tonumber(known[4] or evicted)

local function new_because()
  if not id then return cause ~= '' and cause or 'its data is gone' end
  if known[2] and known[2] ~= run_id then return 'it was restarted, or is another' end
  if evicted_since > 0 and now - begun >= EVICTIONS_MS then
    return string.format('it has run out of memory, and evicted %d keys: its maxmemory-policy should be noeviction', evicted_since)
  end
end
local new = new_because()
-- Those that were evicted meanwhile count once the minute is over. After CONFIG RESETSTAT they are fewer.
if not new and evicted_since > 0 then evicted = known[4] end

if new then
  begun, cause = now, new
  local is_lost = id or ARGV[1] ~= '' or redis.call('PUBSUB', 'NUMSUB', ARGV[4])[2] > 0
  quiet = is_lost and now + ARGV[3] or 0
  id = ARGV[2]
elseif ARGV[1] ~= '' and ARGV[1] ~= id then
  -- Begun by a node that knew of nothing before.
  quiet = math.max(quiet, begun + ARGV[3])
end
redis.call('HSET', KEYS[1], 'id', id, 'run_id', run_id, 'begun', begun, 'quiet', quiet, 'looked', now, 'evicted', evicted, 'cause', cause)
return {id, math.max(0, quiet - now), cause}
