-- Writes down whether the page of a client is hidden or shown, and puts that into the journal where it is a change. A repeat
-- changes nothing.
--
-- What a node says again after Redis had lost its data comes with the time since when it is so, and counts where the record
-- knows nothing as late.
--
-- Atomic because the client's messages may reach two nodes at once: each change must follow from the one before it, and be
-- in the journal as it is in the record. It needs no key of a channel: where the client is, and when, is no matter.
--
-- KEYS  1 clientId_auth/<clientId>   2 epoch   3 journal   4 journal_state
-- ARGV  1 clientId   2 hidden or shown   3 since when, ms, for what is said again, or '' for now   4 entries of the journal
--       at most   5 Pub/Sub channel by which the other nodes hear of a change, or ''
-- returns {since when, ms, hidden or shown} as it is now; {-1} where the client is unknown or ending; {-2} where Redis has
--         lost its data and no epoch has begun yet

--- @include "journal"

local epoch = redis.call('HGET', KEYS[2], 'id')
if not epoch then return {-2} end
local known = redis.call('GET', KEYS[1])
if not known then return {-1} end
local record = cjson.decode(known)
if record.state == 'ending' then return {-1} end

local before = tonumber(record.since or 0)
local function is_change()
  if ARGV[3] ~= '' then return tonumber(ARGV[3]) > before end
  return record.visibility ~= ARGV[2]
end
if not is_change() then return {before, record.visibility} end

local since = tonumber(ARGV[3])
if not since then
  local time = redis.call('TIME')
  -- Times put the changes in order, whatever the clock does.
  since = math.max(time[1] * 1000 + math.floor(time[2] / 1000), before + 1)
end
record.visibility = ARGV[2]
record.since = string.format('%.0f', since)
redis.call('SET', KEYS[1], cjson.encode(record))

put_into_journal(
  KEYS[3], KEYS[4], ARGV[4], 'epoch', epoch, 'type', ARGV[2], 'uid', record.uid, 'clientId', ARGV[1], 'at', record.since
)
if ARGV[5] ~= '' then
  local said = {clientId = ARGV[1], visibility = ARGV[2], since = record.since}
  redis.call('PUBLISH', ARGV[5], cjson.encode(said))
end
return {since, ARGV[2]}
