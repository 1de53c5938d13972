-- Says which nodes have many clients.
--
-- Atomic because it is one question: what each answer means is looked up again, for itself.
--
-- KEYS  1... clients
-- returns for each client the name of its node, '' where there is no such client

local owners = {}
for i, key in ipairs(KEYS) do owners[i] = redis.call('HGET', key, 'node') or '' end
return owners
