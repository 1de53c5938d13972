-- The keys of a channel. `root`: what the names of all keys of its partition begin with. A script declares one of them, and the
-- others are in the same slot.

local function keys_of(root, channel)
  return {
    channel = channel,
    clients = root .. '/uid_to_clientIds' .. channel,
    users = root .. '/users' .. channel,
    order = root .. '/order' .. channel,
    state = root .. '/state' .. channel,
    pending = root .. '/pending' .. channel,
    rows = root .. '/rows' .. channel,
    left = root .. '/left' .. channel,
    dirty = root .. '/dirty',
    epoch = root .. '/epoch',
    journal = root .. '/journal',
    journal_state = root .. '/journal_state',
  }
end
