import { execFile } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { compile } from '../support/compile.js';
import { ipLinks } from '../support/kernel.js';
import { privileged, TestNamespace } from '../support/namespaces.js';

interface Ended {
  code: number | string | null | undefined;
  signal: NodeJS.Signals | null | undefined;
  stdout: string;
  stderr: string;
}

describe.skipIf(!privileged)('a process that ends', () => {
  let child: { script: string; folder: string };
  beforeAll(async () => {
    child = await compile('test/kernel/engine-child.ts');
  });
  afterAll(() => rm(child.folder, { recursive: true, force: true }));

  /** The time allowed is against hanging only. */
  function play(scene: string, netns: string): Promise<Ended> {
    return new Promise((resolve) => {
      const args = ['--expose-gc', child.script, scene, netns];
      execFile(process.execPath, args, { timeout: 45_000, killSignal: 'SIGKILL' }, (error, stdout, stderr) =>
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
    expect(
      (await namespace.attempt('ip', 'netns', 'pids', namespace.name)).stdout.trim().split('\n').length,
    ).toBeLessThan(2);
  });
});
