-- Says in which epoch the data is. A Redis that lost its data, was restarted, or is a replica in the place of another,
-- may hold less than was announced, so versions can't be compared any more: a new epoch begins. For a while nothing is
-- announced in it, until the nodes have written down again who is with them.
--
-- Where there is no data at all, and the node knew of none, it is the very beginning, unless others are there: whoever listens
-- has looked before, and found an epoch or begun one, so it has been lost. A loss does not end who listens.
--
-- Atomic because all nodes come back at the same time and must agree on one epoch.
--
-- KEYS  1 epoch
-- ARGV  1 the epoch that the node knew, or ''   2 a random id for a new epoch   3 how long nothing is announced, ms
--       4 Pub/Sub channel that nodes listen to
-- returns {the epoch's id, for how long nothing is announced yet, ms}

local run_id = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local known = redis.call('HMGET', KEYS[1], 'id', 'run_id', 'begun')
local id, begun, quiet = known[1], tonumber(known[3] or now), quiet_until(KEYS[1], now)

if not id or (known[2] and known[2] ~= run_id) then
  begun = now
  local is_lost = id or ARGV[1] ~= '' or redis.call('PUBSUB', 'NUMSUB', ARGV[4])[2] > 0
  quiet = is_lost and now + ARGV[3] or 0
  id = ARGV[2]
elseif ARGV[1] ~= '' and ARGV[1] ~= id then
  -- Begun by a node that knew of nothing before, or by an enter.
  quiet = math.max(quiet, begun + ARGV[3])
end
redis.call('HSET', KEYS[1], 'id', id, 'run_id', run_id, 'begun', begun, 'quiet', quiet, 'looked', now)
return {id, math.max(0, quiet - now)}
