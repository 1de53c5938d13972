-- Says which of many clients exist.
--
-- Atomic because while the nodes write down their clients again, in a new epoch, what is missing is not known to be gone.
--
-- KEYS  1 epoch   2... clients
-- ARGV  1 the epoch that the node knows
-- returns for each client 1, or 0 where there is no such client, or it is ending; nil where that is not known yet of one

--- @include "quiet"

local epoch = redis.call('HGET', KEYS[1], 'id')
--- @include "now"
local isNew = epoch ~= ARGV[1] or now < quiet_until(KEYS[1], now)
local existing = {}
for i = 2, #KEYS do
  local known = redis.call('HMGET', KEYS[i], 'node', 'state', 'epoch')
  if isNew and (not known[1] or known[3] ~= epoch) then return nil end
  existing[i - 1] = (known[1] and known[2] ~= 'ending') and 1 or 0
end
return existing
