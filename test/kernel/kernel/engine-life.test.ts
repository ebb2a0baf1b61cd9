import { execFile } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { compile } from '../../support/compile.js';
import { pidsIn } from '../../support/host.js';
import { ipLinks } from '../../support/kernel.js';
import { lastFindings, privileged, TestNamespace } from '../../support/namespaces.js';
import { patience } from '../../support/patience.js';

interface Ended {
  code: number | string | null | undefined;
  signal: NodeJS.Signals | null | undefined;
  stdout: string;
  stderr: string;
}

describe.skipIf(!privileged)('a process that ends', () => {
  let child: { script: string; folder: string };
  beforeAll(async () => {
    child = await compile('test/kernel/kernel/engine-child.ts');
  });
  afterAll(() => rm(child.folder, { recursive: true, force: true }));

  /** The time allowed is against hanging only. */
  function play(scene: string, netns: string, env: NodeJS.ProcessEnv = {}): Promise<Ended> {
    return new Promise((resolve) => {
      const args = ['--expose-gc', child.script, scene, netns];
      const options = { timeout: patience(60_000), killSignal: 'SIGKILL', env: { ...process.env, ...env } } as const;
      execFile(process.execPath, args, options, (error, stdout, stderr) =>
        resolve({ code: error === null ? 0 : error.code, signal: error?.signal ?? null, stdout, stderr }),
      );
    });
  }

  test.each([
    ['idle', 0, 'done\n'],
    ['finish', 0, 'done\n'],
    ['collect', 0, 'done\n'],
    ['exit', 7, ''],
    ['exit-midway', 7, ''],
    ['exit-waiting', 7, ''],
    ['throw', 1, 'done\n'],
    ['workers', 0, 'done\n'],
  ])('neither hangs nor crashes: %s', async (scene, code, stdout) => {
    await using namespace = await TestNamespace.create('life');
    const ended = await play(scene, namespace.name);
    expect(ended).toMatchObject({ code, signal: null, stdout });
    expect(ended.stderr).toMatch(scene === 'throw' ? /on purpose/ : /^$/);
    if (code === 0 && scene !== 'workers') {
      expect((await ipLinks(namespace)).map(({ ifname }) => ifname)).toEqual(['lo']);
    }
    // Nothing that was started inside outlives the process.
    expect(await lastFindings(async () => (await pidsIn(namespace.name)).map(String))).toEqual([]);
  });

  test('prints every message with VETHWORK_DEBUG', async () => {
    await using namespace = await TestNamespace.create('life');
    const { stderr } = await play('idle', namespace.name, { VETHWORK_DEBUG: 'store,netlink' });
    const lines = stderr.trim().split('\n');
    expect(lines[0]).toMatch(/^netlink > RTM_GETLINK seq 1 flags 0x305 header 0{32} 29=08000000$/);
    expect(lines[1]).toMatch(/^netlink < RTM_NEWLINK seq 1 .* 3="lo" /);
    expect(lines.at(-1)).toBe('netlink < done seq 1');
    expect(lines).toHaveLength(3);
  });
});
