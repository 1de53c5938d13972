/** What servers and load agree on. */

export const MOUNT = '/faye';
export const CHANNEL = '/bench/fanout';
/** In each payload exactly once, and nowhere else in what a server sends: the load counts it. */
export const MARK = '~';
export const MARK_BYTE = 0x7e;

/** 127 bytes of JSON, as the data of one message. */
export const PAYLOAD = { text: MARK.padEnd(127 - '{"text":""}'.length, 'x') };
