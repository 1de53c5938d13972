-- Acknowledges entries of the journal for a group, and removes those that no group has yet to read or acknowledge.
--
-- Atomic because a group that reads at the same time must find what it has not read.
--
-- KEYS  1 journal
-- ARGV  1 group   2... ids
-- returns 1, or 0 where there is no journal

if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('XACK', KEYS[1], ARGV[1], unpack(ARGV, 2))

local function parts(id)
  local ms, number = string.match(id, '^(%d+)-(%d+)$')
  return tonumber(ms), tonumber(number)
end

local function is_older(a, b)
  local ms, number = parts(a)
  local other_ms, other_number = parts(b)
  return ms < other_ms or (ms == other_ms and number < other_number)
end

-- The oldest that a group still needs: the first that it has not acknowledged, or else the first that it has not read.
local function needed(group)
  local waiting = redis.call('XPENDING', KEYS[1], group['name'])
  if waiting[1] > 0 then return waiting[2] end
  local ms, number = string.match(group['last-delivered-id'], '^(%d+)-(%d+)$')
  return ms .. '-' .. string.format('%d', number + 1)
end

local oldest
for _, fields in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
  local group = {}
  for i = 1, #fields, 2 do group[fields[i]] = fields[i + 1] end
  local id = needed(group)
  if not oldest or is_older(id, oldest) then oldest = id end
end
if oldest then redis.call('XTRIM', KEYS[1], 'MINID', oldest) end
return 1
