-- Puts an entry into the journal, where somebody reads it: a group makes the stream. Beyond `bound` entries the oldest go,
-- and are counted in `state`.

local function put_into_journal(stream, state, bound, ...)
  if not redis.call('XADD', stream, 'NOMKSTREAM', '*', ...) then return end
  local dropped = redis.call('XTRIM', stream, 'MAXLEN', bound)
  if dropped > 0 then redis.call('HINCRBY', state, 'dropped', dropped) end
end
