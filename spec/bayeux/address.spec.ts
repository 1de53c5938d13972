import type { IncomingMessage } from 'node:http';
import { expect, it } from 'vitest';
import { addressOf } from '../../src/bayeux/address.js';

const request = (forwarded: string | undefined, own = '::ffff:10.0.0.1') =>
  ({
    socket: { remoteAddress: own },
    headers: { 'x-forwarded-for': forwarded },
  }) as unknown as IncomingMessage;

it.each([
  [0, '1.2.3.4', '10.0.0.1'],
  [1, '1.2.3.4', '1.2.3.4'],
  [1, '9.9.9.9, 1.2.3.4', '1.2.3.4'],
  [2, '9.9.9.9, 1.2.3.4', '9.9.9.9'],
  [1, '1.2.3.4:5678', '1.2.3.4'],
  [1, '2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  [1, '"[2001:db8:1:2:3:4:5:6]:443"', '2001:db8:1:2::/64'],
  [1, '[2001:db8:1:2::1]', '2001:db8:1:2::/64'],
  [1, 'nobody', '10.0.0.1'],
  [1, '', '10.0.0.1'],
  [3, '1.2.3.4', '10.0.0.1'],
  [1, undefined, '10.0.0.1'],
])('behind %i proxies %s counts as %s', (proxies, forwarded, address) => {
  expect(addressOf(request(forwarded), proxies)).toBe(address);
});
