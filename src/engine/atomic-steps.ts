/**
 * The steps of the engine that must be one, as Lua. Each also makes the step of faye-redis that it replaces safe to be
 * sent twice. They build names of keys from what they find, so they are for one Redis, not for a Cluster.
 */

/**
 * Subscribes a client that exists. Atomic, since one that ends at the same time would leave its subscription behind.
 *
 * KEYS 1 clients   2 channels of the client   3 clients of the channel;  ARGV 1 clientId   2 channel
 * Returns 1 where it is new, 0 where it was there, -1 where the client does not exist.
 */
export const SUBSCRIBE = `
if not redis.call('ZSCORE', KEYS[1], ARGV[1]) then return -1 end
redis.call('SADD', KEYS[3], ARGV[1])
return redis.call('SADD', KEYS[2], ARGV[2])
`;

/**
 * Puts a message into the queue of each client that subscribes to one of the channels, and tells the nodes. Atomic,
 * since the queue of a client that ends at the same time would stay.
 *
 * KEYS 1 clients   2… clients of each channel;  ARGV 1 what comes before the clientId in a client's keys   2 message
 *      3 Pub/Sub channel for the clientIds whose queue has got something
 */
export const PUBLISH = `
for _, clientId in ipairs(redis.call('SUNION', unpack(KEYS, 2))) do
  if redis.call('ZSCORE', KEYS[1], clientId) then
    redis.call('RPUSH', ARGV[1] .. clientId .. '/messages', ARGV[2])
    redis.call('PUBLISH', ARGV[3], clientId)
  end
end
`;

/**
 * Takes all messages out of a client's queue. Atomic, since what came in between would be lost; one command and no
 * MULTI, since a connection that is lost in the midst of one leaves a part of it to be sent again.
 *
 * KEYS 1 the client's queue.  Returns the messages, oldest first.
 */
export const TAKE = `
local messages = redis.call('LRANGE', KEYS[1], 0, -1)
redis.call('DEL', KEYS[1])
return messages
`;

/**
 * Ends a client. Atomic, so that of those who end it at the same time exactly one did, and nothing of it stays.
 *
 * KEYS 1 clients   2 channels of the client   3 its queue;  ARGV 1 clientId   2 what comes before a channel's name in
 *      its key   3 Pub/Sub channel for clientIds whose connection is to be closed
 * Returns {1 or 0 where it did not exist, the channels that it had subscribed to}.
 */
export const DESTROY = `
local channels = redis.call('SMEMBERS', KEYS[2])
for _, channel in ipairs(channels) do
  redis.call('SREM', ARGV[2] .. channel, ARGV[1])
end
redis.call('DEL', KEYS[2], KEYS[3])
local existed = redis.call('ZREM', KEYS[1], ARGV[1])
if existed == 1 then redis.call('PUBLISH', ARGV[3], ARGV[1]) end
return {existed, channels}
`;
