-- Adds the channels that a client is about to enter to its record, so that whoever ends it knows them.
--
-- Atomic because the record may be marked as ending at the same time, and then the client must not enter.
--
-- KEYS  1 clientId_auth/<clientId>   2 clientId_status/<clientId>
-- ARGV  1... channels
-- returns when that was, ms, or 0 where the client is unknown or ending

local known = redis.call('GET', KEYS[1])
if not known then return 0 end
local record = cjson.decode(known)
if record.state == 'ending' then return 0 end

local have = {}
for channel in string.gmatch(record.channels, '%S+') do have[channel] = true end
for _, channel in ipairs(ARGV) do
  if not have[channel] then
    record.channels = record.channels == '' and channel or record.channels .. ' ' .. channel
    have[channel] = true
  end
end
record.state = 'in'
redis.call('SET', KEYS[1], cjson.encode(record))
redis.call('SET', KEYS[2], 1)
local time = redis.call('TIME')
return time[1] * 1000 + math.floor(time[2] / 1000)
