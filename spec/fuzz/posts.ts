/** A visit by HTTP, through Node's own client. */
import { Agent, type ClientRequest, request } from 'node:http';
import type { Visitor } from './visitor.js';
import type { Post } from './visits.js';

/** Milliseconds in which a batch without a connect must be answered; the machine may be busy. */
const ANSWER = 15_000;
/** Milliseconds that one with a connect is waited for: the server may hold it. */
const HELD = 250;
/** Milliseconds until an EventSource has its first comment. */
const OPENED = 500;

const PATH = '/faye';

export async function visitByPosts(visitor: Visitor, posts: Post[], eventSource: boolean): Promise<void> {
  const agent = new Agent({ keepAlive: true });
  const open = new Set<ClientRequest>();
  const session = { visitor, agent, open };
  try {
    for (const batch of visitor.beginning) await post(session, { ...PLAIN, batch });
    if (eventSource) await listen(session);
    for (const each of posts) {
      const answered = post(session, each);
      if (each.wait) await answered;
    }
  } finally {
    for (const each of open) each.destroy();
    agent.destroy();
  }
}

const PLAIN = { wait: true, part: 1, type: 'application/json' };

interface Session {
  visitor: Visitor;
  agent: Agent;
  open: Set<ClientRequest>;
}

/** Resolves once it is answered, cut, or not waited for any longer. Never rejects. */
async function post(session: Session, { batch, part, type }: Post): Promise<void> {
  const text = session.visitor.text(batch);
  const form = type.includes('form');
  const body = Buffer.from(form ? `message=${encodeURIComponent(text)}` : text, 'utf8');
  const headers = { 'Content-Type': type, 'Content-Length': body.length };
  const whole = part === 1;
  const sending = send(session, 'POST', PATH, headers, (status, answer) => {
    if (status === 200) session.visitor.heard(answer);
  });
  sending.request.write(body.subarray(0, Math.floor(body.length * part)));
  if (!whole) {
    setImmediate(() => sending.request.destroy());
    return;
  }
  sending.request.end();
  const mayBeHeld = text.includes('/meta/connect');
  const answered = await within(sending.done, mayBeHeld ? HELD : ANSWER);
  if (!answered && !mayBeHeld) session.visitor.ground.oracle.violate('a request was never answered', text);
}

/** An EventSource of its client; it stays open until the visit ends. */
async function listen(session: Session): Promise<void> {
  const path = `${PATH}/${session.visitor.filled('$mine:0')}`;
  const { request: opening, done } = send(session, 'GET', path, { Accept: 'text/event-stream' }, () => {});
  opening.on('response', (response) => {
    let rest = '';
    response.on('data', (chunk: Buffer) => {
      const parts = (rest + String(chunk)).split('\n\n');
      rest = parts.pop() ?? '';
      for (const part of parts) if (part.startsWith('data: ')) session.visitor.heard(part.slice(6));
    });
  });
  opening.end();
  await within(Promise.race([done, new Promise((resolve) => opening.once('response', resolve))]), OPENED);
}

function send(
  { visitor, agent, open }: Session,
  method: string,
  path: string,
  headers: Record<string, string | number>,
  answered: (status: number, body: string) => void,
): { request: ClientRequest; done: Promise<void> } {
  const { ground } = visitor;
  ground.sent.requests += 1;
  const to = { host: '127.0.0.1', port: ground.port, method, path, agent };
  const sent = request({ ...to, headers: { ...visitor.headers, ...headers } });
  open.add(sent);
  const done = new Promise<void>((resolve) => {
    sent.on('response', (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        const status = response.statusCode ?? 0;
        const body = Buffer.concat(chunks).toString('utf8');
        ground.oracle.answered(
          `HTTP/1.1 ${status}\n${JSON.stringify(response.headers)}\n${status === 200 ? '' : body}`,
        );
        answered(status, body);
      });
    });
    // Cut by us, or by a server that closed a connection which was kept; that it lives is asked elsewhere.
    sent.on('error', () => {});
    sent.on('close', () => {
      open.delete(sent);
      resolve();
    });
  });
  return { request: sent, done };
}

async function within(done: Promise<unknown>, limit: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), limit);
  });
  const result = await Promise.race([done.then(() => true), late]);
  clearTimeout(timer);
  return result;
}
