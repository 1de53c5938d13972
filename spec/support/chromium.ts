/** Headless Chromium as the machine has it, through playwright-core, which brings none. */
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { type Browser, chromium, type LaunchOptions } from 'playwright-core';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome'];

const ARGS = [
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** The path in CHROMIUM_PATH, or of the first of Chromium's names in PATH. Throws where there is none. */
export function chromiumPath(env = process.env): string {
  const places = (env.PATH ?? '').split(delimiter);
  const paths = env.CHROMIUM_PATH
    ? [env.CHROMIUM_PATH]
    : NAMES.flatMap((name) => places.map((place) => join(place, name)));
  const found = paths.find(isExecutable);
  if (found) return found;
  throw new Error(
    `Expected ${env.CHROMIUM_PATH ? `CHROMIUM_PATH (${env.CHROMIUM_PATH}) to be Chromium` : `one of ${NAMES.join(', ')} in PATH`}: apt-get install chromium`,
  );
}

export function launchChromium(options: LaunchOptions = {}): Promise<Browser> {
  // Chromium's sandbox refuses to run as root.
  const args = process.getuid?.() === 0 ? [...ARGS, '--no-sandbox'] : ARGS;
  return chromium.launch({ executablePath: chromiumPath(), args, ...options });
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
