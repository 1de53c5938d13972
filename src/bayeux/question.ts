/** What nodes ask each other of a client: to look whether it has left; to take it for alive. */
export type Question = 'before-leave' | 'renew';
