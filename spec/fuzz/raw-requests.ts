/** A visit with HTTP requests as no library would write them, on one connection as long as it lasts. */
import { RawConnection } from './raw-connection.js';
import type { RawRequest } from './requests.js';
import type { Visitor } from './visitor.js';

/** Milliseconds that an answer is waited for: many of these get none. */
const GLANCE = 80;

export async function visitByRequests(visitor: Visitor, requests: RawRequest[]): Promise<void> {
  let connection = new RawConnection(visitor.ground.port);
  for (const each of requests) {
    if (connection.closed) connection = new RawConnection(visitor.ground.port);
    await send(connection, visitor, each);
    visitor.ground.oracle.answered(connection.received);
    connection.received = '';
    if (each.cutAt !== undefined) connection.cut();
  }
  connection.cut();
}

async function send(connection: RawConnection, visitor: Visitor, { text, cutAt }: RawRequest): Promise<void> {
  visitor.ground.sent.requests += 1;
  const [head = '', ...body] = visitor.filled(text).split('\r\n\r\n');
  const content = body.join('\r\n\r\n');
  const whole = `${head.replace('$length', String(content.length))}\r\n\r\n${content}`;
  connection.write(whole.slice(0, cutAt));
  await connection.until(() => connection.received !== '', cutAt === undefined ? GLANCE : 0);
}
