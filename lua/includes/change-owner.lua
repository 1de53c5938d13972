-- Moves a client from the index of its owner to that of another node, and sends the owner that loses it a notice.
--
-- `indexes`, `channels`: what the names of the indexes and of the nodes' Pub/Sub channels begin with. They are in the slot of
-- the record.
--
-- returns how many connections got the notice

local function change_owner(id, owner, node, generation, notice)
  redis.call('SADD', notice.indexes .. node, id)
  if not owner or owner == node then return 0 end
  redis.call('SREM', notice.indexes .. owner, id)
  local text = cjson.encode({claimed = id, generation = tonumber(generation), by = node, ago = tonumber(notice.ago)})
  return redis.call(notice.command, notice.channels .. owner, text)
end
