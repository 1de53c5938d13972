-- Says where clients are.
--
-- Atomic because what a missing record means depends on the epoch and the leases of the same moment.
--
-- KEYS  1 epoch   2 nodes   3... clients
-- ARGV  1 the epoch that the asker knows   2 the asker
-- returns for each client what `located` returns (lua/includes/located.lua)

local epoch_key, nodes = KEYS[1], KEYS[2]
local known_epoch, asker = ARGV[1], ARGV[2]

--- @include "quiet"
--- @include "located"
--- @include "now"
local epoch = redis.call('HGET', epoch_key, 'id')
local is_settling = now < quiet_until(epoch_key, now)
local answers = {}
for i = 3, #KEYS do
  answers[i - 2] = located(KEYS[i], epoch, known_epoch, is_settling, nodes, asker, now)
end
return answers
