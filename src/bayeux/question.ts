/**
 * What nodes ask each other of a client: to look whether it has left; to take it for alive, and say whether it has a
 * stream; what it has subscribed to.
 */
export type Question = 'before-leave' | 'renew' | 'subscriptions';
