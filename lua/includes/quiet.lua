-- Until when the nodes write down again who is with them, in a new epoch, ms. While Redis itself stands still they can't: they
-- look each second, and what has passed in that time since one of them last did so does not count.

local function quiet_until(epoch, now)
  local known = redis.call('HMGET', epoch, 'quiet', 'looked')
  local quiet, looked = tonumber(known[1] or 0), tonumber(known[2] or now)
  if looked < quiet and now - looked > 2500 then return quiet + now - looked end
  return quiet
end

