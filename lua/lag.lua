-- Counts the entries of the journal that a group has yet to read or to acknowledge.
--
-- Atomic because an entry that is read meanwhile would be counted twice, or not at all.
--
-- KEYS  1 journal
-- ARGV  1 group
-- returns their number

if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
for _, fields in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
  local group = {}
  for i = 1, #fields, 2 do group[fields[i]] = fields[i + 1] end
  if group['name'] == ARGV[1] then
    -- Redis' own figure counts those that were dropped, too; where it read none of what is left, all of it is unread.
    local first = redis.call('XRANGE', KEYS[1], '-', group['last-delivered-id'], 'COUNT', 1)
    local unread = #first == 0 and redis.call('XLEN', KEYS[1]) or tonumber(group['lag'] or 0)
    return group['pending'] + unread
  end
end
return 0
