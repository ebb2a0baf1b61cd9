import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connect, privileged, TestNamespace } from '../../support/namespaces.js';

const PROJECT = fileURLToPath(new URL('../../../', import.meta.url));

/**
 * What is done on a machine of its own, as in readme.test.ts: the example runs, is killed in the middle of a sandbox, runs
 * again with the pool that is left, and all is taken away with the command.
 */
const PLAY = `
set -e
mount --make-rprivate /
mount -t tmpfs none /run
mkdir -p /var/lib/vethwork
mount -t tmpfs none /var/lib/vethwork
cd "$FOLDER"
vethwork() { "$NODE" "$PROJECT/dist/cli/main.js" "$@"; }
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
  let machine: TestNamespace;
  let outside: TestNamespace;
  let folder: string;

  beforeAll(async () => {
    machine = await TestNamespace.create('host');
    outside = await TestNamespace.create('outside');
    await connect([machine, 'eth0'], [outside, 'eth0']);
    await machine.ip('address', 'add', '10.0.0.74/24', 'dev', 'eth0');
    folder = await mkdtemp(join(tmpdir(), 'vethwork-example-'));
    await mkdir(join(folder, 'node_modules'));
    await symlink(PROJECT, join(folder, 'node_modules/vethwork'));
  });
  afterAll(async () => {
    for (const namespace of [machine, outside]) await namespace?.remove();
    await rm(folder, { recursive: true });
  });

  it('runs commands in claimed namespaces, also after it was killed', async () => {
    const example = await readFile(join(PROJECT, 'examples/sandbox-runner.ts'), 'utf8');
    const compilerOptions = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 };
    await writeFile(join(folder, 'example.mjs'), ts.transpileModule(example, { compilerOptions }).outputText);
    const variables = [`FOLDER=${folder}`, `PROJECT=${PROJECT}`, `NODE=${process.execPath}`];
    // The processes that stay, such as dnsmasq, end with their pid namespace.
    const unshare = ['unshare', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc', 'sh', '-c', PLAY];
    const output = await machine.run('env', ...variables, ...unshare);
    const [first = '', killed = '', again = '', left = ''] = output.split(/^== .*\n/m);
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
