import { chown, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { compile } from '../../support/compile.js';
import { attempt, connect, privileged, sh, TestNamespace } from '../../support/namespaces.js';

/** Somebody who has no account. */
const USER = 12345;

/**
 * Where that user finds the namespaces of the test, and may keep its own: as an administrator prepares a machine. /run is
 * one of its own: others remove the machine's empty folders in it, and with a folder goes what is mounted there.
 */
const PREPARATION = `
set -e
mount --make-rprivate /
for name in "$NODE" "$GUEST"; do
  touch "$BASE/$name"
  mount --bind "/run/netns/$name" "$BASE/$name"
done
mount -t tmpfs none /run
mkdir /run/netns /run/vethwork
chown "$USER_ID" /run/netns /run/vethwork
chmod 711 /run/vethwork
exec "$@"
`;

/** What a word of `SystemCallFilter=` stands for, groups within groups included. */
async function systemCalls(word: string): Promise<string[]> {
  if (!word.startsWith('@')) return [word];
  const listed = await sh('systemd-analyze', 'syscall-filter', '--no-pager', word);
  const inner = [...listed.matchAll(/^ +(@?[a-z_0-9-]+)$/gm)].map(([, name = '']) => name);
  return (await Promise.all(inner.map(systemCalls))).flat();
}

describe.skipIf(!privileged)('a user other than root', () => {
  let compiled: { script: string; folder: string };
  let base: string;
  let node: TestNamespace;
  let guest: TestNamespace;

  beforeAll(async () => {
    compiled = await compile('test/e2e/agent/unprivileged-child.ts');
    // The user must be able to read the imported files.
    await sh('chmod', '-R', 'a+rX', compiled.folder);
  });
  afterAll(() => rm(compiled.folder, { recursive: true }));

  beforeEach(async () => {
    base = await mkdtemp(join(tmpdir(), 'vethwork-user-'));
    await chown(base, USER, USER);
    [node, guest] = [await TestNamespace.create('node'), await TestNamespace.create('guest')];
    await connect([node, 'eth0'], [guest, 'up0']);
    await node.ip('address', 'add', '10.0.0.74/24', 'dev', 'eth0');
    await mkdir(join(base, 'state'));
    await chown(join(base, 'state'), USER, USER);
  });
  afterEach(async () => {
    await guest.remove();
    await node.remove();
    await rm(base, { recursive: true });
  });

  /** What the child says when it runs with just these capabilities. */
  async function runWith(
    capabilities: readonly string[],
    services = '',
    tracer: readonly string[] = [],
  ): Promise<Record<string, unknown>> {
    const set = ['-all', ...capabilities.map((name) => `+${name}`)].join(',');
    const options = {
      ...{ netns: join(base, node.name), stateDir: join(base, 'state') },
      ...{ egressNic: 'eth0', floatingNetwork: '192.168.15.0/24' },
    };
    const child = [process.execPath, compiled.script, JSON.stringify(options), join(base, guest.name), services];
    const user = ['--reuid', `${USER}`, '--regid', `${USER}`, '--clear-groups', '--no-new-privs'];
    const sets = ['--inh-caps', set, '--ambient-caps', set, '--bounding-set', set];
    const variables = [`BASE=${base}`, `NODE=${node.name}`, `GUEST=${guest.name}`, `USER_ID=${USER}`];
    const command = ['setpriv', ...user, ...sets, ...tracer, ...child];
    const prepared = ['unshare', '-m', 'sh', '-c', PREPARATION, 'sh', ...command];
    const { stdout, stderr } = await attempt('env', ...variables, ...prepared);
    const last = stdout.trim().split('\n').at(-1);
    if (!last) throw new Error(`the child said nothing: ${stderr}`);
    return JSON.parse(last);
  }

  const left = async () => (await node.ip('-o', 'link')).match(/(?<=^\d+: )[^:@]+/gm)?.sort();

  test('networks without DHCP, DNS and ping work with CAP_NET_ADMIN and CAP_SYS_ADMIN', async () => {
    expect(await runWith(['net_admin', 'sys_admin'])).toEqual({
      ...{ uid: USER, floating: '192.168.15.77', routed: '192.168.15.88', repairs: [], sent: true },
      ping: 'CAP_NET_RAW',
    });
    expect(await left()).toEqual(['eth0', 'lo']);
  });

  test('DHCP, DNS and ping work with CAP_NET_RAW and CAP_NET_BIND_SERVICE in addition', async () => {
    const done = await runWith(['net_admin', 'sys_admin', 'net_raw', 'net_bind_service'], 'served');
    expect(done).toMatchObject({ uid: USER, repairs: [], ping: true });
    expect(done.answer).toMatch(/^10\.5\.0\.\d+$/);
    expect(await left()).toEqual(['eth0', 'lo']);
  });

  test('the process makes no system call that the filter of the agent’s unit denies', async () => {
    const trace = join(base, 'trace');
    // Without the privilege to trace other processes, a process can trace its children.
    const tracer = ['strace', '-f', '-qq', '-o', trace, '-e', 'signal=none'];
    const done = await runWith(['net_admin', 'sys_admin', 'net_raw', 'net_bind_service'], 'served', tracer);
    expect(done).toMatchObject({ uid: USER, repairs: [], ping: true });
    const made = new Set(
      [...(await readFile(trace, 'utf8')).matchAll(/^\d+ +([a-z_0-9]+)\(/gm)].map(([, name]) => name),
    );
    // What the network needs is among them.
    for (const name of ['setns', 'unshare', 'mount', 'umount2', 'sendmsg']) expect(made).toContain(name);
    const unit = await readFile(new URL('../../../systemd/vethwork-agent.service', import.meta.url), 'utf8');
    const words = /^SystemCallFilter=(.*)$/m.exec(unit)?.[1]?.split(' ') ?? [];
    const allowed = new Set((await Promise.all(words.map(systemCalls))).flat());
    expect(allowed.has('reboot')).toBe(false);
    // libuv works without it if it is denied.
    const harmless = new Set(['io_uring_setup', 'io_uring_enter', 'io_uring_register']);
    expect([...made].filter((name) => name && !allowed.has(name) && !harmless.has(name))).toEqual([]);
  });

  test.each<[missing: string, has: string[], services: string]>([
    ['CAP_NET_ADMIN', ['sys_admin'], ''],
    ['CAP_SYS_ADMIN', ['net_admin'], ''],
    ['CAP_NET_BIND_SERVICE', ['net_admin', 'sys_admin', 'net_raw'], 'served'],
    ['CAP_NET_RAW', ['net_admin', 'sys_admin', 'net_bind_service'], 'served'],
  ])('a missing %s is reported before anything is created', async (capability, has, services) => {
    const { error } = await runWith(has, services);
    expect(error).toMatchObject({ name: 'PrivilegeError', code: 'ERR_VETHWORK_PRIVILEGE', capability });
    expect(await left()).toEqual(['eth0', 'lo']);
  });
});
