import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compile } from '../../support/compile.js';
import { attempt, privileged, sh } from '../../support/namespaces.js';

const systemd = (name: string) => fileURLToPath(new URL(`../../../systemd/${name}`, import.meta.url));

/**
 * Settings of systemd.exec(5) that give a service a mount namespace of its own: those of which it says so, in "Paths",
 * "Sandboxing" and "Credentials", and in systemd's `exec_needs_mount_namespace`.
 */
const MOUNT_NAMESPACE = [
  ...['RootDirectory', 'RootImage', 'RootHash', 'RootVerity', 'MountAPIVFS', 'BindPaths', 'BindReadOnlyPaths'],
  ...['MountImages', 'ExtensionImages', 'ExtensionDirectories', 'ProtectProc', 'ProcSubset', 'ProtectSystem'],
  ...['ProtectHome', 'ReadWritePaths', 'ReadOnlyPaths', 'InaccessiblePaths', 'ExecPaths', 'NoExecPaths'],
  ...['TemporaryFileSystem', 'PrivateTmp', 'PrivateDevices', 'PrivateNetwork', 'NetworkNamespacePath', 'PrivateIPC'],
  ...['IPCNamespacePath', 'PrivateUsers', 'PrivatePIDs', 'ProtectKernelTunables', 'ProtectKernelModules'],
  ...['ProtectKernelLogs', 'ProtectControlGroups', 'PrivateMounts', 'MountFlags', 'DynamicUser', 'LogNamespace'],
  ...['LoadCredential', 'LoadCredentialEncrypted', 'SetCredential', 'SetCredentialEncrypted', 'ImportCredential'],
];

type Unit = [key: string, value: string][];

const settings = (text: string): Unit =>
  [...text.matchAll(/^([A-Za-z]+)=(.*)$/gm)].map(([, key = '', value = '']) => [key, value]);

/** Options of a unit that create a mount namespace. Disabled ones do not count. */
const isolating = (unit: Unit) =>
  unit
    .filter(([key, value]) => MOUNT_NAMESPACE.includes(key) && !/^(no|false|off|0|)$/.test(value))
    .map(([key]) => key);

describe('the systemd unit of the agent', () => {
  let text: string;
  let unit: Unit;
  let folder: string;
  beforeAll(async () => {
    text = await readFile(systemd('vethwork-agent.service'), 'utf8');
    unit = settings(text);
    folder = await mkdtemp(join(tmpdir(), 'vethwork-unit-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  const setting = (key: string) => unit.find(([each]) => each === key)?.[1] ?? '';

  async function exposure(content: string): Promise<number> {
    const file = join(folder, 'vethwork-agent.service');
    await writeFile(file, content);
    const { stdout } = await attempt('systemd-analyze', 'security', '--offline=true', '--no-pager', file);
    const level = /Overall exposure level for .*: ([\d.]+)/.exec(stdout)?.[1];
    if (level === undefined) throw new Error(`systemd-analyze says no level: ${stdout}`);
    return Number(level);
  }

  it('has an exposure level below 5.0 of 10 (systemd-analyze security)', async () => {
    expect(await exposure(text)).toBeLessThan(5);
    // Positive control: the unit without its restrictions.
    const bare = text.replace(/^User=.*(?=\[Install\])/ms, '');
    expect(bare).toContain('ExecStart=');
    expect(await exposure(bare)).toBeGreaterThan(9);
  });

  it('is valid for systemd-analyze verify', async () => {
    await writeFile(join(folder, 'vethwork-agent.service'), text.replace(/^ExecStart=.*/m, 'ExecStart=/bin/true'));
    const good = await attempt('systemd-analyze', 'verify', '--man=no', join(folder, 'vethwork-agent.service'));
    expect(good.stderr).not.toMatch(/vethwork-agent\.service:\d+:/);
    await writeFile(join(folder, 'vethwork-agent.service'), text.replace('UMask=0077', 'UMask=0077\nNoSuchThing=1'));
    const bad = await attempt('systemd-analyze', 'verify', '--man=no', join(folder, 'vethwork-agent.service'));
    expect(bad.stderr).toMatch(/vethwork-agent\.service:\d+: Unknown key/);
  });

  it('has no option that creates a mount namespace', () => {
    expect(isolating(unit)).toEqual([]);
    expect(isolating([...unit, ['ProtectSystem', 'strict'], ['PrivateTmp', 'no']])).toEqual(['ProtectSystem']);
  });

  it('leaves networks and dnsmasq running, as does the example for users of the library', async () => {
    expect(setting('KillMode')).toBe('process');
    expect(setting('User')).toBe('vethwork');
    const security = await readFile(new URL('../../../SECURITY.md', import.meta.url), 'utf8');
    const example = /^\[Service\]\n.*?(?=^```)/ms.exec(security)?.[0] ?? '';
    expect(settings(example)).toEqual(
      expect.arrayContaining([
        ['KillMode', 'process'],
        ...['User', 'AmbientCapabilities', 'CapabilityBoundingSet'].map((key) => [key, setting(key)]),
      ]),
    );
    expect(isolating(settings(example))).toEqual([]);
  });

  it('has an account and folders that systemd-sysusers and systemd-tmpfiles create', async () => {
    const root = join(folder, 'root');
    await sh('mkdir', '-p', join(root, 'etc'), join(root, 'run'));
    await sh('systemd-sysusers', `--root=${root}`, systemd('vethwork.sysusers.conf'));
    const passwd = await readFile(join(root, 'etc/passwd'), 'utf8');
    const [, , uid, gid] = /^vethwork:.*$/m.exec(passwd)?.[0].split(':') ?? [];
    await sh('systemd-tmpfiles', `--root=${root}`, '--create', systemd('vethwork.tmpfiles.conf'));
    expect(Number(uid)).toBeGreaterThan(0);
    expect((await sh('stat', '-c', '%u %g %a', join(root, 'run/netns'))).trim()).toBe(`0 ${gid} 775`);
  });
});

describe.skipIf(!privileged)('the agent with the settings of its unit', () => {
  let compiled: { script: string; folder: string };
  beforeAll(async () => {
    compiled = await compile('test/kernel/agent/systemd-unit-child.ts');
    await sh('chmod', '-R', 'a+rX', compiled.folder);
  });
  afterAll(() => rm(compiled.folder, { recursive: true }));

  it('creates namespaces that the host sees', async () => {
    const user = 12345;
    const unit = settings(await readFile(systemd('vethwork-agent.service'), 'utf8'));
    const set = (unit.find(([key]) => key === 'AmbientCapabilities')?.[1] ?? '')
      .split(' ')
      .map((name) => `+${name.replace('CAP_', '').toLowerCase()}`);
    expect(set).toHaveLength(4);
    const sets = ['--inh-caps', '--ambient-caps', '--bounding-set'].flatMap((kind) => [kind, `-all,${set.join(',')}`]);
    const ids = ['--reuid', `${user}`, '--regid', `${user}`, '--clear-groups', '--no-new-privs'];
    const service = ['setpriv', ...ids, ...sets, process.execPath, compiled.script];
    // A mount namespace stands for the host, whose folder is as vethwork.tmpfiles.conf makes it.
    const host = `
      set -e
      mount --make-rprivate /
      mount -t tmpfs -o uid=0,gid=${user},mode=775 none /run/netns
      see() { if nsenter --net=/run/netns/$1 true 2>/dev/null; then echo "host sees $1"; else echo "host lacks $1"; fi; }
      "$@" here
      see here
      unshare --mount --propagation slave "$@" elsewhere
      see elsewhere
    `;
    const { stdout, stderr } = await attempt('unshare', '--mount', 'sh', '-c', host, 'sh', ...service);
    expect(stderr).toBe('');
    expect(stdout.trim().split('\n')).toEqual([
      `uid ${user} made true`,
      'host sees here',
      // The effect of ProtectSystem= and similar options.
      `uid ${user} made true`,
      'host lacks elsewhere',
    ]);
  });
});
