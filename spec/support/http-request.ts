/** HTTP by hand, each request on a connection of its own: origins, methods and paths that `fetch` would not send. */
import { once } from 'node:events';
import { type IncomingHttpHeaders, type RequestOptions, request } from 'node:http';
import { connect } from 'node:net';

export interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  text: string;
}

export async function ask(url: string, options: RequestOptions = {}, body = ''): Promise<Answer> {
  const sent = request(url, { agent: false, ...options });
  // A server that refuses a body may reset the connection after its answer.
  sent.on('error', () => {});
  sent.end(body);
  const [response] = await once(sent, 'response');
  let text = '';
  for await (const chunk of response.setEncoding('utf8')) text += chunk;
  return { status: response.statusCode, headers: response.headers, text };
}

/** Writes this text to the server as it is; all that it answers until it closes the connection. */
export async function askRaw(url: string, text: string): Promise<string> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  let answer = '';
  socket.on('data', (chunk) => {
    answer += String(chunk);
  });
  // A server that ends itself resets its connections.
  socket.on('error', () => {});
  socket.write(text);
  await once(socket, 'close');
  return answer;
}
