import { execFile, spawn } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Host, Interface, InterfaceInfo, Network, Pool, PoolStatus } from '../../../src/index.js';
import { type KernelTrace, kernelChannel } from '../../../src/kernel/channels.js';
import { openKernel } from '../../../src/kernel/index.js';
import { poolKeys } from '../../../src/records/pools.js';
import { type InterfaceRecord, keys } from '../../../src/records/records.js';
import { openLmdbStore } from '../../../src/store/lmdb.js';
import { compile } from '../../support/compile.js';
import { lookUp } from '../../support/dns.js';
import { sendFrames } from '../../support/frames.js';
import { pidsIn, pings, TestHost } from '../../support/host.js';
import { ipLinks, rejection } from '../../support/kernel.js';
import { eventually, json, privileged, type TestNamespace } from '../../support/namespaces.js';
import { startTapGuest } from '../../support/tap-guest.js';
import type { Order } from './slots-child.js';

const run = promisify(execFile);

describe.skipIf(!privileged)('a pool', () => {
  let machine: TestHost;
  let host: Host;
  let network: Network;
  let neighbour: TestNamespace;

  beforeAll(async () => {
    machine = await TestHost.create({ deletionHalo: 0 });
    host = await machine.open();
    network = await host.createNetwork({ name: 'demo', netblock: '172.16.0.0/22', provideDns: true });
    neighbour = await machine.guest();
    await network.attach({ netns: neighbour.name, configure: true });
  });
  afterAll(() => machine.remove());

  /** Ports in the set of closed ports, as `nft` prints it. */
  async function closed(): Promise<string[]> {
    const text = await machine.node.run('nft', '-j', 'list', 'set', 'bridge', 'vethwork_slots', 'closed');
    const { nftables } = JSON.parse(text) as { nftables: { set?: { elem?: string[] } }[] };
    return (nftables.find(({ set }) => set !== undefined)?.set?.elem ?? []).sort();
  }

  const slotLinks = async () =>
    (await ipLinks(machine.node)).map(({ ifname }) => ifname).filter((name) => name.startsWith('vslot-'));
  const freeDevices = async (pool: Pool) =>
    (await network.listInterfaces())
      .filter((nic) => nic.pool === pool.uuid && nic.state === 'free')
      .map(({ device }) => device)
      .sort();
  /** The only free slot of a pool, when it has exactly one. */
  const onlyFree = async (pool: Pool): Promise<InterfaceInfo> => {
    const found = await eventually(async () => {
      const free = (await network.listInterfaces()).filter((nic) => nic.pool === pool.uuid && nic.state === 'free');
      return free.length === 1 && free;
    });
    return (found as InterfaceInfo[])[0] as InterfaceInfo;
  };
  const claim = (pool: Pool, options: object = {}) => network.attach({ slot: pool, ...options });
  const hasNoDrift = async () => {
    // The host name of a claim is written in the background.
    await eventually(async () => (await host.reconcile({ dryRun: true })).length === 0);
    return true;
  };

  test('closes the ports of free slots in both directions, from the claim to the release', async () => {
    const pool = await network.prepare({ kind: 'tap', min: 1 });
    const free = await onlyFree(pool);
    expect(await closed()).toEqual([free.device]);
    const guest = await startTapGuest(machine.node, free);
    try {
      // The tap has a carrier now, so that the bridge forwards to it.
      await eventually(async () =>
        (await machine.node.run('bridge', 'link', 'show', 'dev', free.device)).includes('forwarding'),
      );
      expect(await pings(neighbour, free.address)).toBe(false);
      expect(await network.ping(free.address)).toBeUndefined();
      expect(guest.output()).not.toContain('received');
      const nic = await claim(pool);
      expect(nic.info).toMatchObject({ uuid: free.uuid, address: free.address, mac: free.mac, state: 'created' });
      // Positive control: both directions.
      await eventually(() => pings(neighbour, free.address));
      await eventually(async () => (await network.ping(free.address)) !== undefined);
      expect(guest.output()).toContain('received 0806');
      expect((await nic.counters()).sent.packets).toBeGreaterThan(0);
      await hasNoDrift();
      await guest.kill();
      await nic.detach();
      expect(await closed()).toContain(free.device);
      const again = await startTapGuest(machine.node, free);
      try {
        expect(await pings(neighbour, free.address)).toBe(false);
        expect(again.output()).not.toContain('received');
      } finally {
        await again.kill();
      }
    } finally {
      await guest.kill();
    }
    expect(await hasNoDrift()).toBe(true);
    await pool.delete();
    expect([await slotLinks(), await closed()]).toEqual([[], []]);
  });

  test('gives a released slot to the next user without anything of the former one', async () => {
    const pool = await network.prepare({ kind: 'tap', min: 1, max: 2 });
    const { device } = await onlyFree(pool);
    const first = await claim(pool, { hostname: 'web', instance: 'one', metadata: { of: 'one' } });
    const { uuid, info } = first;
    const { address, mac } = info;
    await eventually(async () => (await lookUp(neighbour, '172.16.0.1', 'web.vethwork.internal')) === address);
    const floating = await first.float();
    const guest = await startTapGuest(machine.node, { ...info, device });
    await eventually(() => pings(machine.world, floating));
    await guest.kill();
    const request = `Ether(src='${mac}',dst='ff:ff:ff:ff:ff:ff')/IP(src='0.0.0.0',dst='255.255.255.255')/UDP(sport=68,dport=67)/BOOTP(chaddr=bytes.fromhex('${mac.replaceAll(':', '')}'),xid=7)/DHCP(options=[('message-type','request'),('requested_addr','${address}'),('server_id','172.16.0.1'),'end'])`;
    const tracked = async () => (await run('ip', ['netns', 'exec', network.uuid, 'conntrack', '-L'])).stdout;
    const leases = async () =>
      (
        await run('sh', [
          '-c',
          `cat /run/vethwork*/*/${network.uuid}/*lease* /run/vethwork*/${network.uuid}/*lease*; true`,
        ])
      ).stdout;
    await sendFrames({ namespace: machine.node, tap: device }, [request]);
    // Controls: what the release has to remove is there.
    await eventually(async () => (await leases()).includes(address));
    expect(await tracked()).toContain(address);
    expect((await first.counters()).sent.packets).toBeGreaterThan(0);

    await first.detach();
    expect(await leases()).not.toContain(address);
    expect(await tracked()).not.toContain(address);
    expect(await lookUp(neighbour, '172.16.0.1', 'web.vethwork.internal')).toBe('');
    expect((await network.listInterfaces()).some((nic) => nic.floating !== undefined)).toBe(false);
    const free = (await network.listInterfaces()).find((nic) => nic.device === device);
    expect(free).toMatchObject({ state: 'free', address, mac, metadata: {} });
    for (const property of ['hostname', 'instance', 'floating']) expect(free).not.toHaveProperty(property);
    // The handle of the former user does not find it.
    expect(free?.uuid).not.toBe(uuid);
    expect(await rejection(first.refresh())).toMatchObject({ code: 'ERR_VETHWORK_NOT_FOUND' });
    await first.detach();
    expect(await freeDevices(pool)).toContain(device);
    expect(await rejection(host.getInterface(free?.uuid as string).then((nic) => nic.float()))).toMatchObject({
      code: 'ERR_VETHWORK_CONFLICT',
    });
    // Two claims: one of them gets it.
    const next = [await claim(pool, { hostname: 'web' }), await claim(pool)];
    const same = next.find((nic) => nic.info.device === device) as Interface;
    expect(await same.counters()).toEqual({
      sent: { packets: 0, bytes: 0, dropped: 0 },
      received: { packets: 0, bytes: 0, dropped: 0 },
    });
    expect(await hasNoDrift()).toBe(true);
    for (const nic of next) await nic.detach();
    await pool.delete();
  });

  test('removes a slot whose tap is still open', async () => {
    const pool = await network.prepare({ kind: 'tap', min: 1 });
    const [busy, idle] = [await claim(pool), await claim(pool)];
    const guest = await startTapGuest(machine.node, busy.info);
    await busy.detach();
    // Positive control: the other one is kept.
    await idle.detach();
    expect(await slotLinks()).not.toContain(busy.info.device);
    expect(await slotLinks()).toContain(idle.info.device);
    expect(await freeDevices(pool)).toContain(idle.info.device);
    await guest.kill();
    await pool.delete();
  });

  test('is used once without anti-spoofing', async () => {
    const pool = await network.prepare({ kind: 'tap', name: 'any', min: 1, antiSpoofing: false });
    const nic = await claim(pool);
    await nic.detach();
    expect(await slotLinks()).not.toContain(nic.info.device);
    await pool.delete();
  });

  test('gives no slot twice to callers of several processes, and attaches when it is empty', async () => {
    const pool = await network.prepare({ kind: 'tap', min: 40, max: 40 });
    const { script, folder } = await compile('test/kernel/operations/slots-child.ts');
    const order: Order = { options: machine.options, network: network.uuid, pool: pool.uuid, claims: 15, die: false };
    const child = async () =>
      JSON.parse((await run(process.execPath, [script, JSON.stringify(order)])).stdout) as string[];
    const here = async () =>
      (await Promise.all(Array.from({ length: 15 }, () => claim(pool)))).map(({ info }) => info.device);
    const devices = (await Promise.all([child(), child(), here()])).flat();
    expect(new Set(devices).size).toBe(45);
    for (const device of devices) expect(await slotLinks()).toContain(device);
    for (const device of devices) expect(await closed()).not.toContain(device);
    const status = (await eventually(async () => {
      const now = await pool.status();
      return now.hits + now.misses === 45 && now;
    })) as PoolStatus;
    expect(status.claimed).toBe(45);
    await rm(folder, { recursive: true, force: true });
    await pool.delete();
    // Claimed slots stay until they are detached, and are removed then.
    expect((await slotLinks()).sort()).toEqual([...devices].sort());
    for (const { uuid } of (await network.listInterfaces()).filter((nic) => nic.pool === pool.uuid)) {
      await (await host.getInterface(uuid)).detach();
    }
    expect([await slotLinks(), await closed()]).toEqual([[], []]);
  });

  test('opens a slot after the death of its claimant, and finishes an interrupted release', async () => {
    const pool = await network.prepare({ kind: 'tap', min: 3 });
    const { script, folder } = await compile('test/kernel/operations/slots-child.ts');
    const order: Order = { options: machine.options, network: network.uuid, pool: pool.uuid, claims: 1, die: true };
    expect(await rejection(run(process.execPath, [script, JSON.stringify(order)]))).toMatchObject({
      signal: 'SIGKILL',
    });
    await rm(folder, { recursive: true, force: true });
    const claimed = (await network.listInterfaces()).find((nic) => nic.pool === pool.uuid && nic.state === 'created');
    // Control: it died before it opened the port.
    expect(await closed()).toContain(claimed?.device);
    expect(await host.reconcile()).toHaveLength(1);
    expect(await closed()).not.toContain(claimed?.device);
    expect(await closed()).toEqual(await freeDevices(pool));

    const releasing = await claim(pool);
    const store = await openLmdbStore(machine.options.stateDir);
    const key = keys.interface(releasing.uuid);
    const record = (await store.get<InterfaceRecord>(key))?.value as InterfaceRecord;
    const slot = { pool: pool.uuid, isFree: false, isReleasing: true } as const;
    const claimOfDead = { pid: 1, started: '1@none' };
    await store.commit({
      conditions: [],
      puts: [{ key, value: { ...record, state: 'deleting', slot, claim: claimOfDead } }],
      deletes: [],
    });
    expect((await host.reconcile()).map(({ action }) => action)).toContain('recover');
    expect(await freeDevices(pool)).toContain(releasing.info.device);
    expect(await rejection(releasing.refresh())).toMatchObject({ code: 'ERR_VETHWORK_NOT_FOUND' });
    expect(await closed()).toEqual(await freeDevices(pool));
    expect(await store.list(poolKeys.allFree(pool.uuid))).toHaveLength((await freeDevices(pool)).length);
    await store.close();
    expect(await hasNoDrift()).toBe(true);
    await pool.delete();
    await (await host.getInterface(claimed?.uuid as string)).detach();
  });

  test('is repaired after another program has flushed the ruleset', async () => {
    const pool = await network.prepare({ kind: 'tap', min: 2 });
    const nic = await claim(pool);
    await eventually(async () => (await freeDevices(pool)).length >= 2);
    await machine.node.run('nft', 'flush', 'ruleset');
    await host.reconcile();
    expect(await closed()).toEqual(await freeDevices(pool));
    expect(await closed()).not.toContain(nic.info.device);
    // A closed port of a claimed slot is drift, too.
    await machine.node.run('nft', 'add', 'element', 'bridge', 'vethwork_slots', 'closed', `{ ${nic.info.device} }`);
    expect(await host.reconcile()).toHaveLength(1);
    expect(await closed()).toEqual(await freeDevices(pool));
    await nic.detach();
    await pool.delete();
  });

  test('sends no message about links for a claim', async () => {
    const pool = await network.prepare({ kind: 'tap', min: 3 });
    const operations: string[] = [];
    const note = (message: unknown) =>
      operations.push(...(message as KernelTrace).operations.map((operation) => operation.op));
    kernelChannel.start.subscribe(note);
    const nic = await claim(pool);
    const seen = [...operations];
    kernelChannel.start.unsubscribe(note);
    expect(seen).toEqual(['nftables.batch']);
    await nic.detach();
    await pool.delete();
  });

  test('returns the pool of its name, follows its limits, and refuses invalid options', async () => {
    const pool = await network.prepare({ kind: 'tap', min: 2 });
    const same = await network.prepare({ kind: 'tap', min: 3, max: 5 });
    expect(same.uuid).toBe(pool.uuid);
    expect(await same.status()).toMatchObject({ free: 3, claimed: 0 });
    expect(await same.resize({ min: 1, max: 1 })).toMatchObject({ min: 1, max: 1 });
    expect(await freeDevices(pool)).toHaveLength(1);
    expect(await closed()).toEqual(await freeDevices(pool));
    expect((await network.listPools()).map(({ uuid }) => uuid)).toEqual([pool.uuid]);
    expect((await network.getPool('tap')).uuid).toBe(pool.uuid);
    const validation = (field: string) => ({ code: 'ERR_VETHWORK_VALIDATION', field });
    const other = { name: 'DifferenceError', field: 'order', actual: 0, wanted: 1 };
    expect(await rejection(network.prepare({ kind: 'tap', min: 1, order: 1 }))).toMatchObject(other);
    for (const [field, options] of [
      ['min', { kind: 'tap', min: 0 }],
      ['min', { kind: 'tap' }],
      ['max', { kind: 'tap', min: 2, max: 1 }],
      ['kind', { kind: 'vm', min: 1 }],
      ['guest', { kind: 'clone', min: 1 }],
      ['kind', { min: 1 }],
      ['owner', { kind: 'namespace', min: 1, owner: 0 }],
      ['name', { kind: 'tap', min: 1, name: pool.uuid }],
    ] as const) {
      expect(await rejection(network.prepare(options as never))).toMatchObject(validation(field));
    }
    expect(await rejection(claim(pool, { address: '172.16.0.9' }))).toMatchObject(validation('address'));
    expect(await rejection(network.attach({ slot: 7 } as never))).toMatchObject(validation('slot'));
    expect(await rejection(network.attach({ slot: 'none' }))).toMatchObject({ code: 'ERR_VETHWORK_NOT_FOUND' });
    await pool.delete();
    await pool.delete();
    expect(await rejection(claim(pool))).toMatchObject({ code: 'ERR_VETHWORK_NOT_FOUND' });
  });

  test('leaves nothing behind if the network has too few addresses, or is deleted', async () => {
    const small = await host.createNetwork({ name: 'small', netblock: '172.20.0.0/29', provideNat: false });
    expect(await rejection(small.prepare({ kind: 'tap', min: 10 }))).toMatchObject({
      code: 'ERR_VETHWORK_CONGESTED',
    });
    expect([await small.listPools(), await small.listInterfaces(), await slotLinks()]).toEqual([[], [], []]);
    await small.prepare({ kind: 'tap', min: 3 });
    expect(await slotLinks()).toHaveLength(3);
    await small.delete();
    expect([await slotLinks(), await closed()]).toEqual([[], []]);
  });

  test('of namespaces: a configured container that is deleted with the slot', async () => {
    const pool = await network.prepare({ kind: 'namespace', min: 2 });
    const nic = await claim(pool, { hostname: 'box' });
    const { netns = '', address } = nic.info;
    expect(netns).toMatch(/^\/run\/netns\/vslot-/);
    const name = netns.slice('/run/netns/'.length);
    const within = (...command: string[]) => run('ip', ['netns', 'exec', name, ...command]);
    const links = await json<{ ifname: string; operstate: string }[]>('ip', '-n', name, '-j', 'link');
    expect(links.map(({ ifname }) => ifname)).toEqual(['lo', 'eth0']);
    expect((await within('ping', '-c', '1', '-W', '10', '172.16.0.1')).stdout).toContain(' 0% packet loss');
    await eventually(() => pings(neighbour, address));
    // Control: a free one does not answer, although it is configured.
    const free = (await network.listInterfaces()).find((each) => each.pool === pool.uuid && each.state === 'free');
    expect(await pings(neighbour, free?.address ?? '')).toBe(false);
    expect(await hasNoDrift()).toBe(true);
    // A process that stays keeps its namespace alive, and is reported. The other one has none.
    const quiet = await claim(pool);
    const events = host.events();
    const sleeper = spawn('ip', ['netns', 'exec', name, 'sleep', '600'], { stdio: 'ignore' });
    await eventually(async () => (await pidsIn(name)).length > 0);
    await quiet.detach();
    await nic.detach();
    for await (const { event, interface: about, detail } of events) {
      if (event !== 'interface.busy') continue;
      expect([about, detail]).toEqual([nic.uuid, `processes ${sleeper.pid} still use its namespace`]);
      break;
    }
    sleeper.kill('SIGKILL');
    // A socket that a process elsewhere holds keeps it alive as well.
    const held = await claim(pool);
    await using kernel = openKernel();
    const socket = await kernel.bind({ netns: held.info.netns ?? '', address: held.info.address, port: 5000 });
    expect(await pidsIn(held.info.netns?.slice('/run/netns/'.length) ?? '')).toEqual([]);
    await held.detach();
    for await (const { event, interface: about, detail } of host.events({ history: true, follow: true })) {
      if (event !== 'interface.busy' || about === nic.uuid) continue;
      expect([about, detail]).toEqual([held.uuid, '1 sockets were open in its namespace']);
      break;
    }
    socket.close();
    const present = async () => (await json<{ name: string }[]>('ip', '-j', 'netns')).map((each) => each.name);
    expect(await present()).not.toContain(name);
    const spare = (await network.listInterfaces()).find((each) => each.pool === pool.uuid && each.state === 'free');
    const inUse = spare?.netns?.slice('/run/netns/'.length) as string;
    expect(await present()).toContain(inUse);
    // As after a boot: the namespace of a free slot is gone.
    await run('ip', ['netns', 'delete', inUse]);
    // The kernel deletes its links some time later.
    await eventually(async () => {
      await host.reconcile();
      return !(await network.listInterfaces()).some(({ uuid }) => uuid === spare?.uuid);
    });
    expect(await present()).not.toContain(inUse);
    expect(await hasNoDrift()).toBe(true);
    const others = (await network.listInterfaces()).flatMap(({ netns: path }) => path ?? []);
    expect(others.length).toBeGreaterThan(0);
    await pool.delete();
    for (const path of others) expect(await present()).not.toContain(path.slice('/run/netns/'.length));
    expect(await hasNoDrift()).toBe(true);
  });

  test('is refilled by the process that has it open, and tells of it', async () => {
    const pool = await network.prepare({ kind: 'tap', min: 2 });
    const events = host.events();
    const nics = [await claim(pool), await claim(pool), await claim(pool)];
    await eventually(async () => (await pool.status()).free >= 2);
    const kinds = new Set<string>();
    for await (const { event, detail } of events) {
      kinds.add(event);
      if (event === 'pool.refill') expect(detail).toMatch(/^tap: \d+ slots$/);
      if (kinds.has('pool.refill') && kinds.has('interface.attach')) break;
    }
    for (const nic of nics) await nic.detach();
    await pool.delete();
    expect(await slotLinks()).toEqual([]);
  });
});
