/** What this node answers to the letters of others (`Mail`). */
import type { Question } from '../../bayeux/question.js';
import type { Client } from '../client.js';
import type { Residents } from '../residence.js';
import type { Adoptions } from './adoptions.js';
import type { HandOvers } from './hand-overs.js';

export interface AnswersOptions {
  engine(): Residents;
  adoptions(): Adoptions;
  handOvers: HandOvers;
  /** A client goes: nothing is to be done for it any more. */
  forget(client: Client): void;
  /** Those of these clients that are this node's; null where that is not certain. */
  holds(clientIds: readonly string[]): string[] | null;
}

type Body = Record<string, unknown>;

export class Answers {
  constructor(private readonly options: AnswersOptions) {}

  /** Undefined and null: it knows nothing of that client. */
  answer(subject: string, body: Body): unknown {
    if (subject === 'held')
      return this.options.holds(Array.isArray(body.clientIds) ? body.clientIds.map(String) : []);
    const clientId = String(body.clientId);
    // Of a client that is arriving, once it is here: what it brings is to go on to the next node.
    const arriving = this.options.adoptions().settled(clientId);
    return arriving
      ? arriving.then(() => this.answerFor(clientId, subject, body))
      : this.answerFor(clientId, subject, body);
  }

  private answerFor(clientId: string, subject: string, body: Body): unknown {
    const engine = this.options.engine();
    const client = engine.get(clientId);
    switch (subject) {
      case 'stream':
        return engine.streamWanted(clientId, String(body.word), body.isFirst === true);
      case 'hand-over':
        return this.handOver(clientId, client, body);
      case 'let-go':
        return client && this.letGo(client);
      case 'question':
        return client && engine.answer(clientId, body.question as Question);
      case 'subscribe':
        return client && this.subscribe(client, body);
      default:
        return undefined;
    }
  }

  private handOver(clientId: string, client: Client | undefined, body: Body): unknown {
    const { forget, handOvers } = this.options;
    const [generation, ago] = [Number(body.generation), Number(body.ago)];
    if (client && client.generation < generation) forget(client);
    return handOvers.give(clientId, generation, ago);
  }

  /** It is being ended by another node: nobody needs what it had here. */
  private letGo(client: Client): void {
    this.options.forget(client);
    this.options.engine().leave(client);
  }

  private async subscribe(client: Client, { channels, subscribed }: Body): Promise<null> {
    const engine = this.options.engine();
    const names = Array.isArray(channels) ? channels.map(String) : [];
    if (subscribed) await Promise.all(names.map((name) => engine.subscribeHere(client, name)));
    else for (const name of names) engine.unsubscribeHere(client, name);
    return null;
  }
}
