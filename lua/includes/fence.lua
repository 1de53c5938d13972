-- Whether a node may write: it holds its lease, in the term in which it sent the step. A step that was sent in an earlier term
-- may have been given up, and does nothing.

local function holds_lease(nodes, terms, node, term)
  return redis.call('ZSCORE', nodes, node) and redis.call('HGET', terms, node) == term
end
