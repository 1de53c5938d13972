/** An EventSource as Faye's browser client opens it: `GET <mount>/<clientId>`. */
import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import type { Reply } from './server.js';
import { until } from './until.js';

const streams: EventStream[] = [];

/** For afterEach. */
export function cutEventStreams(): void {
  for (const stream of streams.splice(0)) stream.cut();
}

export class EventStream {
  status: number | undefined;
  isClosed = false;
  private text = '';
  private response: IncomingMessage | undefined;
  private readonly request: ClientRequest;

  private constructor(endpoint: string, clientId: string, headers: Record<string, string>) {
    this.request = request(`${endpoint}/${clientId}`, {
      agent: false,
      headers: { Accept: 'text/event-stream', ...headers },
    });
    this.request.on('response', (response) => this.read(response));
    this.request.on('error', () => {});
    this.request.on('close', () => {
      this.isClosed = true;
    });
    this.request.end();
  }

  /** Resolves once the server has answered, with whatever status. */
  static async open(
    endpoint: string,
    clientId: string,
    headers: Record<string, string> = {},
  ): Promise<EventStream> {
    const stream = new EventStream(endpoint, clientId, headers);
    streams.push(stream);
    await until(() => stream.status, 'an answer to the EventSource');
    return stream;
  }

  /** The messages of all its `data:` lines. */
  get received(): Reply[] {
    const lines = this.text.split('\n').slice(0, -1);
    const data = lines.filter((line) => line.startsWith('data: ')).map((line) => line.slice('data: '.length));
    return data.flatMap((json) => JSON.parse(json) as Reply[]);
  }

  /** What its browser says when it reconnects; undefined where it was told nothing. */
  get lastEventId(): string | undefined {
    return [...this.text.matchAll(/^id: (.*)$/gm)].at(-1)?.[1];
  }

  /** The data that came on a channel. */
  heard(channel: string): unknown[] {
    return this.received.filter((each) => each.channel === channel).map(({ data }) => data);
  }

  /** From now on it reads nothing. */
  goDeaf(): void {
    this.response?.pause();
  }

  cut(): void {
    this.request.destroy();
  }

  private read(response: IncomingMessage): void {
    this.response = response;
    this.status = response.statusCode;
    response.setEncoding('utf8').on('data', (chunk: string) => {
      this.text += chunk;
    });
    response.on('error', () => {});
  }
}
