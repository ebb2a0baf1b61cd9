import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ExampleMachine, PROJECT } from '../../support/example.js';
import { privileged } from '../../support/namespaces.js';

/**
 * What is done on a machine of its own, as in readme.test.ts: the example runs, is killed in the middle of a sandbox, runs
 * again with the pool that is left, and all is taken away with the command.
 */
const PLAY = `
"$NODE" example.mjs 'ping -c 1 -W 2 172.30.0.1' 'ip -o -4 address show eth0'
echo "== killed"
! "$NODE" example.mjs "kill -9 \\$PPID"
echo "== again"
"$NODE" example.mjs 'ping -c 1 -W 2 172.30.0.1'
vethwork pool list
vethwork network delete sandboxes
vethwork teardown
echo "== left"
ip netns list
ip -o link | grep -c vethwork || true
`;

describe.skipIf(!privileged)('examples/sandbox-runner.ts', () => {
  let machine: ExampleMachine;

  beforeAll(async () => {
    machine = await ExampleMachine.create();
  });
  afterAll(() => machine?.[Symbol.asyncDispose]());

  it('runs commands in claimed namespaces, also after it was killed', async () => {
    const example = await readFile(join(PROJECT, 'examples/sandbox-runner.ts'), 'utf8');
    await machine.write(example);
    const { exitCode, stdout, stderr } = await machine.play(PLAY);
    expect(exitCode, stdout + stderr).toBe(0);
    const [first = '', killed = '', again = '', left = ''] = stdout.split(/^== .*\n/m);
    expect(first.match(/172\.30\.\d+\.\d+ claimed in \d/g)).toHaveLength(2);
    expect(first).toContain(' 0% packet loss');
    expect(first).toMatch(/inet 172\.30\.\d+\.\d+\/16/);
    expect(killed).toContain('claimed');
    expect(again).toContain(' 0% packet loss');
    // The interface of the killed process is still claimed.
    expect(again).toMatch(/namespace +namespace +\d+ +1 +8 +64 /);
    expect(left).toBe('0\n');
  });
});
