-- Where a client is, by its record. While the nodes write their clients again, in a new epoch, a record that is missing may be
-- written yet, and one of an earlier epoch may be out of date. Once that is over, such a record stands only while its owner may
-- still write it again.
--
-- returns {'at', owner, generation, revision, 1 where the owner holds its lease or 0, resume token or '', what `kept` returns...},
--         {'none'} or {'later'}; and of these, where a record of the asker is left: {..., 'ending' or 'outdated', generation,
--         what `kept` returns...}

-- What a record keeps of a client: subscriptions, JSON; identity, JSON, or ''; stays, JSON; 'hidden', 'shown' or '', and since
-- when, ms; the last sign of life of the node that died with it, ms, or ''.
local function kept(client)
  local record = redis.call('HMGET', client, 'channels', 'identity', 'stays', 'visibility', 'visible_since', 'lost_at')
  return record[1] or '[]', record[2] or '', record[3] or '{}', record[4] or '', record[5] or '', record[6] or ''
end

local function located(client, epoch, known_epoch, is_settling, nodes, asker, now)
  local record = redis.call('HMGET', client, 'node', 'generation', 'epoch', 'state', 'stream', 'revision')
  local owner = record[1]
  if not owner then
    if is_settling or epoch ~= known_epoch then return {'later'} end
    return {'none'}
  end
  local is_current = record[3] == epoch
  local is_ending = record[4] == 'ending'
  local is_alive = tonumber(redis.call('ZSCORE', nodes, owner) or 0) > now
  if is_current and not is_ending then
    return {'at', owner, record[2], record[6] or '0', is_alive and 1 or 0, record[5] or '', kept(client)}
  end
  local is_askers = owner == asker
  local is_later = not is_current and (is_settling or (is_alive and not is_askers and not is_ending))
  local verdict = is_later and 'later' or 'none'
  if is_askers then return {verdict, is_ending and 'ending' or 'outdated', record[2], kept(client)} end
  return {verdict}
end
