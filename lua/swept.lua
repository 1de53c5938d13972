-- Says in which epoch a partition is, and whether all channels have been looked through since it began, for clients that the
-- partition has lost, or that have left while it knew of it; or writes down that they have.
--
-- KEYS  1 epoch
-- ARGV  1 the epoch in which they have been, or ''
-- returns {the epoch's id, 1 where they have been or 0}; nil in the quiet time, in which nobody is known to be gone

--- @include "quiet"

local known = redis.call('HMGET', KEYS[1], 'id', 'swept')
--- @include "now"
if not known[1] or now < quiet_until(KEYS[1], now) then return nil end
if ARGV[1] == known[1] then redis.call('HSET', KEYS[1], 'swept', ARGV[1]) end
return {known[1], known[2] == known[1] and 1 or 0}
