import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Host, Interface, Network } from '../../../src/index.js';
import { openKernel } from '../../../src/kernel/index.js';
import { withIdentity } from '../../../src/kernel/namespace.js';
import { openLmdbStore } from '../../../src/store/lmdb.js';
import { pings, TestHost } from '../../support/host.js';
import { connect, eventually, privileged, sh, TestNamespace } from '../../support/namespaces.js';
import { repairLines } from '../../support/repairs.js';

/** Starts a program in a network namespace of its own with a pid that was used before. */
const AT_PID = `
import os, sys
pid, own = int(sys.argv[1]), sys.argv[2] == 'own'
for attempt in range(2000):
    with open('/proc/sys/kernel/ns_last_pid', 'w') as last:
        last.write(str(pid - 1))
    child = os.fork()
    if child == 0:
        if os.getpid() != pid:
            os._exit(0)
        os.execvp('unshare' if own else 'sleep', (['unshare', '-n'] if own else []) + ['sleep', '1000'])
    if child == pid:
        print('started', flush=True)
        sys.stdin.read()
        os.kill(pid, 9)
        sys.exit(0)
    os.waitpid(child, 0)
sys.exit('the pid was never free')
`;

async function processAt(pid: number, netns: 'own' | 'shared', within: TestNamespace) {
  const child = spawn('ip', ['netns', 'exec', within.name, '/usr/bin/python3', '-c', AT_PID, String(pid), netns], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  return {
    /** What `ip` shows of a namespace that has only its process. */
    ip: (...args: string[]) => sh('nsenter', '-t', String(pid), '-n', 'ip', ...args),
    async stop() {
      child.stdin.end();
      await once(child, 'exit');
    },
  };
}

describe.skipIf(!privileged)('the container or device of an interface', () => {
  let machine: TestHost;
  let host: Host;
  let network: Network;

  beforeEach(async () => {
    machine = await TestHost.create();
    host = await machine.open();
    network = await host.createNetwork({ name: 'demo', netblock: '172.16.0.0/24', provideDhcp: false });
  });
  afterEach(async () => {
    await machine.remove();
  });

  const attach = (netns: string | number): Promise<Interface> => network.attach({ netns, configure: true });

  /** A process in a namespace of its own, with an interface; ended, so that its pid is free. */
  async function endedContainer(): Promise<{ pid: number; nic: Interface }> {
    const container = spawn('unshare', ['-n', 'sleep', '1000'], { stdio: 'ignore' });
    const pid = container.pid as number;
    await eventually(async () => (await sh('readlink', `/proc/${pid}/exe`)).includes('sleep'));
    const nic = await attach(pid);
    // Positive control: it is the process's own namespace that is configured.
    expect(await sh('nsenter', '-t', String(pid), '-n', 'ip', 'route')).toContain('default via 172.16.0.1');
    container.kill('SIGKILL');
    await once(container, 'exit');
    return { pid, nic };
  }

  test.each(['own', 'shared'] as const)(
    'a process that has reused its pid is not changed: namespace %s',
    async (kind) => {
      const { pid, nic } = await endedContainer();
      const stranger = await processAt(pid, kind, machine.node);
      try {
        // The pair is deleted some milliseconds after the end of the process.
        await eventually(async () => !(await machine.node.ip('-o', 'link')).includes(nic.info.device));
        const before = [await stranger.ip('-o', 'link'), await stranger.ip('route')];
        const report = await host.reconcile();
        expect(repairLines(report)).toContain(`its namespace ${pid} is gone`);
        expect([await stranger.ip('-o', 'link'), await stranger.ip('route')]).toEqual(before);
        expect(await nic.refresh()).toMatchObject({ state: 'lost', reason: expect.stringContaining('is gone') });
        expect(await host.reconcile()).toEqual([]);
        await nic.detach();
        expect([await stranger.ip('-o', 'link'), await stranger.ip('route')]).toEqual(before);
        if (kind === 'own') {
          // Positive control: it can be attached itself.
          const own = await attach(pid);
          expect(await stranger.ip('route')).toContain('default via 172.16.0.1');
          await own.detach();
        }
      } finally {
        await stranger.stop();
      }
    },
  );

  test('a namespace that was created again with its name is another one', async () => {
    const guest = await machine.guest();
    const nic = await attach(guest.name);
    const events: string[] = [];
    await guest.remove();
    await sh('ip', 'netns', 'add', guest.name);
    await eventually(async () => !(await machine.node.ip('-o', 'link')).includes(nic.info.device));
    expect(repairLines(await host.reconcile({ dryRun: true }))).toContain(`its namespace ${guest.name} is gone`);
    expect((await nic.refresh()).state).toBe('created');
    expect(repairLines(await host.reconcile())).toContain(`its namespace ${guest.name} is gone`);
    expect((await nic.refresh()).state).toBe('lost');
    expect(await sh('ip', '-n', guest.name, '-o', 'link')).not.toContain('eth0');
    for await (const { event } of host.events({ history: true, follow: false, subject: nic.uuid })) events.push(event);
    expect(events).toContain('interface.lost');
    // No object of it is left on the host, and its address is reserved until it is detached.
    expect(await machine.node.run('nft', 'list', 'table', 'bridge', 'vethwork')).not.toContain(nic.info.device);
    await expect(network.attach({ tap: 'tap0', address: nic.info.address })).rejects.toMatchObject({
      name: 'ConflictError',
    });
    await nic.detach();
    const again = await attach(guest.name);
    expect(await sh('ip', '-n', guest.name, '-o', 'link')).toContain('eth0');
    await again.detach();
  });

  test.each(['before', 'after'] as const)(
    'ensureInterface does not accept a new namespace for it %s a reconciliation',
    async (when) => {
      const guest = await machine.guest();
      const place = { netns: guest.name, configure: true };
      const nic = await network.ensureInterface(place);
      // Positive control: the same interface is returned while the namespace exists.
      expect((await network.ensureInterface(place)).uuid).toBe(nic.uuid);
      const refused = (reason: RegExp) => ({ code: 'ERR_VETHWORK_CONFLICT', message: expect.stringMatching(reason) });
      const gone = refused(new RegExp(`${nic.uuid}.* is gone: detach it first`));
      await guest.remove();
      // The pair is deleted some milliseconds after the last process in the namespace has ended.
      await expect(network.ensureInterface(place)).rejects.toMatchObject(refused(/detach it first/));
      await sh('ip', 'netns', 'add', guest.name);
      await eventually(async () => !(await machine.node.ip('-o', 'link')).includes(nic.info.device));
      if (when === 'after') await host.reconcile();
      await expect(network.ensureInterface(place)).rejects.toMatchObject(gone);
      expect(await sh('ip', '-n', guest.name, '-o', 'link')).not.toContain('eth0');
      await nic.detach();
      expect((await network.ensureInterface(place)).uuid).not.toBe(nic.uuid);
      expect(await sh('ip', '-n', guest.name, '-o', 'link')).toContain('eth0');
    },
  );

  test('ensureInterface does not accept a new namespace for one that exists without its name', async () => {
    const guest = await machine.guest();
    const place = { netns: guest.name, configure: true };
    const nic = await network.ensureInterface(place);
    // The TCP server in it keeps the namespace alive.
    await sh('ip', 'netns', 'delete', guest.name);
    await sh('ip', 'netns', 'add', guest.name);
    await expect(network.ensureInterface(place)).rejects.toMatchObject({
      code: 'ERR_VETHWORK_CONFLICT',
      message: expect.stringContaining('its namespace has no path any more: detach it first'),
    });
    expect(await pings(TestNamespace.named(network.uuid), nic.info.address)).toBe(true);
    await nic.detach();
  });

  test('ensureInterface attaches a device that is plugged in again, and rejects another of its name', async () => {
    const plug = async (mac: string) => {
      await connect([machine.node, 'nic9'], [machine.world, 'cable']);
      await machine.node.ip('link', 'set', 'nic9', 'address', mac);
    };
    await plug('02:00:00:00:09:01');
    const nic = await network.ensureInterface({ device: 'nic9' });
    await machine.node.ip('link', 'delete', 'nic9');
    await plug('02:00:00:00:09:02');
    await expect(network.ensureInterface({ device: 'nic9' })).rejects.toMatchObject({
      code: 'ERR_VETHWORK_CONFLICT',
      message: expect.stringContaining('the device nic9 is gone: detach it first'),
    });
    await machine.node.ip('link', 'delete', 'nic9');
    await plug('02:00:00:00:09:01');
    expect((await network.ensureInterface({ device: 'nic9' })).uuid).toBe(nic.uuid);
    expect(await machine.node.ip('-o', 'link', 'show', 'nic9')).toContain('master br-vxlan-');
    await nic.detach();
  });

  test('a container whose namespace has lost its name keeps its interface', async () => {
    const guest = await machine.guest();
    const nic = await attach(guest.name);
    const gateway = () => pings(TestNamespace.named(network.uuid), nic.info.address);
    expect(await gateway()).toBe(true);
    // The TCP server in it keeps the namespace alive.
    await sh('umount', guest.path);
    expect(await host.reconcile()).toEqual([]);
    expect((await nic.refresh()).state).toBe('created');
    expect(await gateway()).toBe(true);
    await machine.node.ip('link', 'set', nic.info.device, 'down');
    expect(await host.reconcile()).toHaveLength(1);
    expect(await eventually(gateway)).toBe(true);
    await nic.detach();
  });

  test('a device that is plugged in again is attached again; another with its name is not', async () => {
    const plug = async (mac: string) => {
      await connect([machine.node, 'nic9'], [machine.world, 'cable']);
      await machine.node.ip('link', 'set', 'nic9', 'address', mac);
    };
    const master = async () => (await machine.node.ip('-o', 'link', 'show', 'nic9')).includes('master br-vxlan-');
    await plug('02:00:00:00:09:01');
    const nic = await network.attach({ device: 'nic9' });
    expect(await master()).toBe(true);
    await machine.node.ip('link', 'delete', 'nic9');
    expect(repairLines(await host.reconcile())).toContain('the device nic9 is gone');
    expect((await nic.refresh()).state).toBe('lost');
    await plug('02:00:00:00:09:02');
    expect(await host.reconcile()).toEqual([]);
    expect(await master()).toBe(false);
    await machine.node.ip('link', 'delete', 'nic9');
    await plug('02:00:00:00:09:01');
    expect(repairLines(await host.reconcile())).toContain('attach nic9 again');
    expect((await nic.refresh()).state).toBe('created');
    expect(await master()).toBe(true);
    expect(await host.reconcile()).toEqual([]);
    await nic.detach();
    expect(await master()).toBe(false);
  });

  test('a record without an identity gets one while the veth pair shows which namespace is meant', async () => {
    const [here, replaced] = [await machine.guest(), await machine.guest()];
    const nics = [await attach(here.name), await attach(replaced.name)];
    const store = await openLmdbStore(machine.options.stateDir);
    for (const { uuid } of nics) {
      const entry = await store.get<{ attachment: { identity?: string } }>(`interface/${uuid}`);
      const { identity: _, ...attachment } = entry?.value.attachment ?? {};
      const value = { ...entry?.value, attachment };
      expect(await store.commit({ conditions: [], puts: [{ key: `interface/${uuid}`, value }], deletes: [] })).toBe(
        true,
      );
    }
    await store.close();
    await replaced.remove();
    await sh('ip', 'netns', 'add', replaced.name);
    await host.reconcile();
    const states = await Promise.all(nics.map(async ({ uuid }) => (await host.getInterface(uuid)).info.state));
    expect(states).toEqual(['created', 'lost']);
    expect(await sh('ip', '-n', replaced.name, '-o', 'link')).not.toContain('eth0');
    expect(await host.reconcile()).toEqual([]);
  });
});

describe.skipIf(!privileged)('namespaces by identity', () => {
  test('an operation runs in the namespace with the identity, or in none', async () => {
    const kernel = openKernel();
    const namespace = await TestNamespace.create('identity');
    const { identity = '' } = await kernel.query('namespace.get', { netns: namespace.name });
    expect(identity).toMatch(/^\d+@[0-9a-f-]{36}$/);
    const meant = withIdentity(namespace.name, identity);
    const add = () => kernel.transaction([{ op: 'link.add', netns: meant, link: { kind: 'bridge', name: 'b0' } }]);
    const peer = () =>
      kernel.transaction([
        {
          op: 'link.add',
          netns: namespace.name,
          link: { kind: 'veth', name: 'v0', data: { peer: { name: 'v1', netns: meant } } },
        },
      ]);
    await add();
    await peer();
    expect(await namespace.ip('-o', 'link')).toMatch(/b0.*v0/s);
    await namespace.remove();
    await sh('ip', 'netns', 'add', namespace.name);
    for (const attempt of [add, peer]) {
      await expect(attempt()).rejects.toMatchObject({ name: 'KernelError', code: 'ENOENT' });
    }
    await expect(kernel.query('link.list', { netns: meant })).rejects.toMatchObject({ code: 'ENOENT' });
    await expect(
      kernel.transaction([{ op: 'sysctl.set', netns: meant, key: 'ipv4/ip_forward', value: 1 }]),
    ).rejects.toMatchObject({ code: 'ENOENT' });
    expect(await namespace.ip('-o', 'link')).not.toMatch(/b0|v0|v1/);
    await namespace.remove();
    await kernel.close();
  });
});
