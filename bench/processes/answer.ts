/** The side of a child process: it answers its parent's questions, and ends when the parent is gone. */

export type Answers = Record<string, (argument: never) => unknown>;

export interface Question {
  id: number;
  name: string;
  argument: unknown;
}

export interface Reply {
  id: number;
  value?: unknown;
  error?: string;
}

export function answer(answers: Answers): void {
  process.on('message', ({ id, name, argument }: Question) => {
    reply(answers, name, argument).then(
      (value) => process.send?.({ id, value } satisfies Reply),
      (error: Error) => process.send?.({ id, error: error.stack ?? String(error) } satisfies Reply),
    );
  });
  process.on('disconnect', () => process.exit(0));
}

async function reply(answers: Answers, name: string, argument: unknown): Promise<unknown> {
  const found = answers[name];
  if (!found) throw new Error(`Expected a question of ${Object.keys(answers).join(', ')}, got ${name}`);
  return found(argument as never);
}
