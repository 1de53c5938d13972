/**
 * Ends the process of a command that has said all, once pipes have taken it. An ioredis instance of the configuration file's,
 * which is connected as the file is read and left alone, would keep it for ever.
 */
export async function end(): Promise<never> {
  await Promise.all([process.stdout, process.stderr].map(written));
  process.exit();
}

const written = (stream: NodeJS.WriteStream): Promise<void> =>
  new Promise((resolve) => stream.write('', () => resolve()));
