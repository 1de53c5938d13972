// Makes sure that what the specs run on is there: redis-server, MariaDB, PostgreSQL, OpenSSL and Chromium. Installs what is missing with apt-get
// where that can be done, and otherwise stops with a word on what to install. Nothing is skipped.
import { execFileSync } from 'node:child_process';
import { accessSync, constants, existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';

const REDIS_AT_LEAST = 7;

/** `package` is its name in Debian; `find` returns where the program is, or undefined. */
const REQUIREMENTS = [
  {
    name: `redis-server ${REDIS_AT_LEAST} or newer`,
    package: 'redis-server',
    find: () => onPath('redis-server'),
    advice: 'macOS: brew install redis',
  },
  {
    name: 'MariaDB',
    package: 'mariadb-server',
    // Debian has it in /usr/sbin, which is not on everyone's PATH.
    find: () => onPath('mariadbd') ?? ['/usr/sbin/mariadbd'].find(isProgram),
    advice: 'macOS: brew install mariadb',
  },
  {
    name: 'PostgreSQL',
    package: 'postgresql',
    find: postgres,
    advice: 'macOS: brew install postgresql',
  },
  {
    name: 'OpenSSL',
    package: 'openssl',
    find: () => onPath('openssl'),
    advice: 'macOS: brew install openssl',
  },
  {
    name: 'Chromium',
    package: 'chromium',
    find: chromium,
    advice: 'macOS: brew install --cask chromium. Anywhere else it is: CHROMIUM_PATH=<the program>',
  },
];

const missing = REQUIREMENTS.filter(({ find }) => !find());
if (missing.length > 0) {
  if (process.getuid?.() === 0 && onPath('apt-get')) install(missing.map((each) => each.package));
  else stop(missing, 'They can be installed from here only as root, with apt-get.');
  const still = missing.filter(({ find }) => !find());
  if (still.length > 0) stop(still, 'apt-get did not install them; its own words are above.');
}
checkRedisVersion();
console.log(`The specs have what they need: ${REQUIREMENTS.map(({ find }) => find()).join(', ')}`);

function onPath(program) {
  return (process.env.PATH ?? '')
    .split(delimiter)
    .filter(Boolean)
    .map((folder) => join(folder, program))
    .find(isProgram);
}

function isProgram(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Debian keeps it, by version, off the PATH. */
function postgres() {
  const versions = '/usr/lib/postgresql';
  const folders = existsSync(versions) ? readdirSync(versions).sort((a, b) => Number(b) - Number(a)) : [];
  return onPath('postgres') ?? folders.map((each) => join(versions, each, 'bin/postgres')).find(isProgram);
}

/** One that is named but is not there is an error, not a reason to take another. */
function chromium() {
  const { CHROMIUM_PATH } = process.env;
  if (!CHROMIUM_PATH) return ['chromium', 'chromium-browser', 'google-chrome'].map(onPath).find(Boolean);
  if (isProgram(CHROMIUM_PATH)) return CHROMIUM_PATH;
  console.error(`CHROMIUM_PATH: expected the path of a program, got ${JSON.stringify(CHROMIUM_PATH)}`);
  return process.exit(1);
}

function install(packages) {
  console.log(`Installing with apt-get: ${packages.join(', ')}`);
  withoutServices(() => {
    aptGet('update');
    aptGet('install', '-y', '--no-install-recommends', ...packages);
  });
}

/** Its exit code is not the answer: what counts is whether the programs are there afterwards. */
function aptGet(...args) {
  try {
    execFileSync('apt-get', args, {
      stdio: 'inherit',
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    });
  } catch (error) {
    console.error(`apt-get ${args[0]} failed: ${error.message}`);
  }
}

/**
 * Debian starts a service as it installs redis-server, mariadb-server or postgresql, unless this file forbids it. The
 * specs start their own on other ports, so neither the service nor its failing matters; but nothing is to be left
 * running.
 */
function withoutServices(step) {
  const policy = '/usr/sbin/policy-rc.d';
  const isOurs = !existsSync(policy);
  if (isOurs) writeFileSync(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  try {
    step();
  } finally {
    if (isOurs) rmSync(policy);
  }
}

function checkRedisVersion() {
  const text = execFileSync('redis-server', ['--version'], { encoding: 'utf8' }).trim();
  const major = Number(/v=(\d+)/.exec(text)?.[1]);
  if (!(major >= REDIS_AT_LEAST)) {
    console.error(`redis-server: expected version ${REDIS_AT_LEAST} or newer, got: ${text}`);
    process.exit(1);
  }
}

function stop(requirements, why) {
  const packages = requirements.map((each) => each.package).join(' ');
  console.error(`The specs need ${requirements.map(({ name }) => name).join(' and ')}. ${why}`);
  console.error(
    `Debian, Ubuntu: sudo apt-get update && sudo apt-get install -y --no-install-recommends ${packages}`,
  );
  for (const { name, advice } of requirements) console.error(`${name}: ${advice}`);
  process.exit(1);
}
