-- Where a client is, by its record. While the nodes write their clients again, in a new epoch, a record that is missing may be
-- written yet, and one of an earlier epoch may be out of date. Once that is over, such a record stands only while its owner may
-- still write it again.
--
-- returns {'at', owner, generation, subscriptions, JSON, revision, 1 where the owner holds its lease or 0, resume token or ''},
--         {'none'} or {'later'}; and of these, where a record of the asker is left: {'ending' or 'outdated', generation,
--         subscriptions, JSON}

local function located(client, epoch, known_epoch, is_settling, nodes, asker, now)
  local record = redis.call('HMGET', client, 'node', 'generation', 'epoch', 'state', 'stream', 'channels', 'revision')
  local owner = record[1]
  if not owner then
    if is_settling or epoch ~= known_epoch then return {'later'} end
    return {'none'}
  end
  local is_current = record[3] == epoch
  local is_ending = record[4] == 'ending'
  local is_alive = tonumber(redis.call('ZSCORE', nodes, owner) or 0) > now
  local channels = record[6] or '[]'
  if is_current and not is_ending then
    return {'at', owner, record[2], channels, record[7] or '0', is_alive and 1 or 0, record[5] or ''}
  end
  local is_askers = owner == asker
  local is_later = not is_current and (is_settling or (is_alive and not is_askers and not is_ending))
  local answer = {is_later and 'later' or 'none'}
  if is_askers then
    answer[2], answer[3], answer[4] = is_ending and 'ending' or 'outdated', record[2], channels
  end
  return answer
end
