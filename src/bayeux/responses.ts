/** How a response ended, over HTTP/1 and HTTP/2: that of Node's HTTP/2 has no `destroyed`, and finishes after its close. */
import type { ServerResponse } from 'node:http';
import type { ServerHttp2Stream } from 'node:http2';

const streamOf = (response: ServerResponse) => (response as { stream?: ServerHttp2Stream }).stream;

/** Whether nothing that is written now can arrive. */
export function isGone(response: ServerResponse): boolean {
  const stream = streamOf(response);
  return stream ? stream.closed || stream.destroyed : response.destroyed;
}

/** Whether all of it has been handed to the network. */
export function hasGoneOut(response: ServerResponse): boolean {
  const stream = streamOf(response);
  return stream ? response.writableEnded && stream.rstCode === 0 : response.writableFinished;
}
