/** Every example of the README runs, against the package as it is built. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { freePort } from './support/ports.js';
import { connectAs, join, say, sees, startServer, stopAll, user } from './support/server.js';
import { until } from './support/until.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const children: ChildProcess[] = [];
let folder: string;
let examples: string[];
let shell: string[];

beforeAll(async () => {
  expect(existsSync(`${root}dist/src/index.js`), 'dist/ is there: npm run build').toBe(true);
  const readme = await readFile(`${root}README.md`, 'utf8');
  const blocks = [...readme.matchAll(/```(\w+)\n([\s\S]*?)```/g)];
  const of = (language: string) =>
    blocks.filter(([, name]) => name === language).map(([, , text]) => text ?? '');
  examples = of('ts');
  shell = of('sh');
  // Within the package, so that `faye-online` is this one.
  await mkdir(`${root}dist`, { recursive: true });
  folder = await mkdtemp(`${root}dist/readme-`);
});
afterEach(async () => {
  await stopAll();
  for (const child of children.splice(0)) {
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  }
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Runs an example on a port of its own, and resolves with its address once it says that it listens. */
async function run(example: string | undefined): Promise<string> {
  const port = await freePort();
  const file = `${folder}/example-${port}.mts`;
  await writeFile(file, (example ?? '').replaceAll('9292', String(port)));
  const env = { ...process.env, DATABASE_URL: `sqlite:${folder}/example-${port}.db` };
  const child = spawn(process.execPath, ['--import', 'tsx', file], { cwd: root, env });
  children.push(child);
  let output = '';
  child.stdout.on('data', (data) => {
    output += data;
  });
  child.stderr.on('data', (data) => {
    output += data;
  });
  await until(() => output.includes('listening'), `the example to listen; it said: ${output}`);
  return `http://127.0.0.1:${port}`;
}

describe('the README', () => {
  it('has the two examples that are run here', () => {
    expect(examples).toHaveLength(2);
  });

  it('makes a whole server', async () => {
    const url = await run(examples[0]);
    const ann = connectAs(`${url}/faye`, { room_channel: '/classes/4', time_channel: '/t' });
    ann.client.setHeader('Cookie', 'session=abc');
    await ann.client.subscribe('/classes/4/user_list', () => {});
    await sees(ann, '/classes/4', ['abc']);
    const time = await until(async () => {
      const answer = await fetch(`${url}/time/abc`);
      const body = (await answer.json().catch(() => undefined)) as { channels?: { channel: string }[] };
      return body?.channels?.length ? body.channels : undefined;
    }, 'the time to be recorded');
    expect(time.map(({ channel }) => channel)).toEqual(['/classes/4', '/t']);
  });

  it('puts presence on a Faye server in an Express app', async () => {
    const url = await run(examples[1]);
    const ann = await join(`${url}/faye`, user('ann', '/rooms/lobby', '/t'));
    await sees(ann, '/rooms/lobby', ['ann']);
    const online = await (await fetch(`${url}/online/lobby`)).json();
    expect(online).toEqual({ count: 1, users: [{ uid: 'ann', uname: 'user ann' }] });
    const script = await fetch(`${url}/faye-online/client.js`);
    expect([script.status, script.headers.get('content-type')]).toEqual([
      200,
      expect.stringContaining('text/javascript'),
    ]);
    expect(await script.text()).toContain('initOnlineClient');
  });

  it('publishes by curl as it says', async () => {
    const curl = shell.find((text) => text.startsWith('curl')) ?? '';
    const body = /-d '(.*)'/.exec(curl)?.[1] ?? '';
    const serverToken = 'a token of sixteen characters';
    const { endpoint } = await startServer({ authentication: { trust: true, serverToken } });
    const reply = await say(endpoint, JSON.parse(body), { Authorization: `Bearer ${serverToken}` });
    expect(reply).toMatchObject({ channel: '/news', successful: true });
  });
});
