import { createContext, runInContext } from 'node:vm';
import { build } from 'esbuild';
import faye from 'faye';
import { beforeAll, describe, expect, it } from 'vitest';

let script: string;

beforeAll(async () => {
  const { outputFiles } = await build({
    entryPoints: ['src/client/script.ts'],
    bundle: true,
    minify: true,
    format: 'iife',
    target: 'es2018',
    write: false,
  });
  script = outputFiles[0]?.text ?? '';
});

function run(globals: Record<string, unknown>): void {
  runInContext(script, createContext({ ...globals, Error, console }));
}

const options = {
  faye_url: 'http://127.0.0.1:1/faye',
  auth_opts: {
    room_channel: '/classes/4',
    time_channel: '/lessons/1',
    current_user: { uid: 470700, uname: 'mvj3' },
  },
};

describe('the script', () => {
  it('sets both names on the Faye of the page, which make its clients', () => {
    const Faye = { ...faye } as Record<string, unknown>;
    run({ Faye });
    expect(Faye.init_online_client).toBe(Faye.initOnlineClient);
    expect((Faye.init_online_client as (given: unknown) => unknown)(options)).toBeInstanceOf(faye.Client);
  });

  it('brings no Faye along', () => {
    expect(script).not.toContain('/meta/subscribe');
    expect(script.length).toBeLessThan(14_000);
  });

  it("says so where Faye's own script is missing", () => {
    expect(() => run({})).toThrow("Expected Faye's own script");
  });
});
