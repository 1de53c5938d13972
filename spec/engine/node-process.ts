/** A node in a process of its own, to be killed, or to stand still. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Config } from '../../src/config/index.js';

const CHILD = fileURLToPath(new URL('./node-child.ts', import.meta.url));

interface Answer {
  id: number;
  has: boolean;
  /** Clients whose end it told. */
  said: string[];
  /** Clients that it holds, and ends that it has yet to make known. */
  clients: number;
  ending: number;
}

const running: NodeProcess[] = [];

/** For afterEach. */
export async function endProcesses(): Promise<void> {
  await Promise.all(running.splice(0).map((node) => node.kill()));
}

export class NodeProcess {
  private asked = 0;

  private constructor(
    private readonly child: ChildProcess,
    readonly url: string,
  ) {}

  static async start(config: Config): Promise<NodeProcess> {
    const child = spawn(process.execPath, ['--import', 'tsx', CHILD, JSON.stringify(config)], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    const [{ url }] = (await once(child, 'message')) as [{ url: string }];
    const node = new NodeProcess(child, url.replace('localhost', '127.0.0.1'));
    running.push(node);
    return node;
  }

  get endpoint(): string {
    return `${this.url}/faye`;
  }

  async has(clientId: string): Promise<boolean> {
    return (await this.ask(clientId)).has;
  }

  /** How often it told the end of a client. */
  async ends(clientId: string): Promise<number> {
    return (await this.ask(clientId)).said.filter((said) => said === clientId).length;
  }

  async holds(): Promise<Pick<Answer, 'clients' | 'ending'>> {
    const { clients, ending } = await this.ask('');
    return { clients, ending };
  }

  async kill(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const gone = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await gone;
  }

  stop(): void {
    this.child.kill('SIGSTOP');
  }

  goOn(): void {
    this.child.kill('SIGCONT');
  }

  private ask(has: string): Promise<Answer> {
    this.asked += 1;
    const id = this.asked;
    return new Promise((resolve) => {
      const listen = (answer: Answer) => {
        if (answer.id !== id) return;
        this.child.off('message', listen);
        resolve(answer);
      };
      this.child.on('message', listen);
      this.child.send({ id, has });
    });
  }
}
