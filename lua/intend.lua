-- Writes down where a client is about to be, so that whoever ends it knows, and what it may be in beside that, which is
-- to be left. An enter into what is to be left is refused from now on.
--
-- Atomic because the record may be marked as ending at the same time, and then the client must not enter; and because of
-- two nodes that move a client at once the later must know what the earlier has meant.
--
-- KEYS  1 clientId_auth/<clientId>   2 clientId_status/<clientId>
-- ARGV  1... channels
-- returns {when that was, ms, no two the same, or 0 where the client is unknown or ending; its visibility, or '', and since
--         when, ms; the channels to leave...}

local known = redis.call('GET', KEYS[1])
if not known then return {0} end
local record = cjson.decode(known)
if record.state == 'ending' then return {0} end

local seen = {}
for _, channel in ipairs(ARGV) do seen[channel] = true end
local leaving = {}
for channel in string.gmatch(record.channels .. ' ' .. (record.leaving or ''), '%S+') do
  if not seen[channel] then leaving[#leaving + 1] = channel end
  seen[channel] = true
end

--- @include "now"
local intended = math.max(now, tonumber(record.intended or 0) + 1)
record.channels = table.concat(ARGV, ' ')
record.leaving = table.concat(leaving, ' ')
record.intended = string.format('%.0f', intended)
record.state = 'in'
redis.call('SET', KEYS[1], cjson.encode(record))
redis.call('SET', KEYS[2], 1)
return {intended, record.visibility or '', record.since or '0', unpack(leaving)}
