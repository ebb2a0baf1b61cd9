import { randomUUID } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type DnsmasqConfig, DnsmasqSupervisor, type Reservation, runtimePaths } from '../../../src/dnsmasq/index.js';
import { LineFile } from '../../../src/dnsmasq/line-file.js';
import { askForLease } from '../../support/dhcp.js';
import { lookUp } from '../../support/dns.js';
import { DEVICE, db, dnsmasqConfig, GATEWAY, runtimeRoot, web } from '../../support/dnsmasq.js';
import { connect, eventually, privileged, TestNamespace } from '../../support/namespaces.js';
import { shellKernel } from '../../support/shell-kernel.js';

describe.skipIf(!privileged)('reservations one by one', () => {
  let network: string;
  let root: string;
  let inner: TestNamespace;
  let client: TestNamespace;
  let supervisor: DnsmasqSupervisor;
  /** The reservations by the records. */
  let truth: Reservation[];

  beforeEach(async () => {
    network = randomUUID();
    root = runtimeRoot();
    inner = await TestNamespace.create(network, { exact: true });
    client = await TestNamespace.create('client');
    await connect([inner, DEVICE], [client, 'eth0']);
    await inner.ip('address', 'add', `${GATEWAY}/24`, 'broadcast', '+', 'dev', DEVICE);
    truth = [];
    supervisor = new DnsmasqSupervisor(shellKernel, { root, interval: 50 });
  });

  afterEach(async () => {
    await supervisor.stop({ network, netns: network });
    await supervisor.close();
    for (const namespace of [inner, client]) await namespace.remove();
    await rm(path.dirname(root), { recursive: true, force: true });
  });

  const desired = (): DnsmasqConfig => dnsmasqConfig(network, { reservations: truth });
  const current = async () => desired();
  const start = () => supervisor.start(desired(), current);
  const pid = () => supervisor.pid({ network, netns: network });
  const hosts = () => readFile(runtimePaths(root, network).dhcpHosts, 'utf8');
  const present = () => new LineFile(runtimePaths(root, network).dhcpHosts).lines();
  const line = ({ mac, address, hostname }: Reservation) => `${mac},id:*,${address},${hostname}.demo.internal`;
  const reloads = async () =>
    (await readFile(runtimePaths(root, network).log, 'utf8')).match(/read .*dhcp-hosts/g)?.length ?? 0;

  async function ask(mac: string, quick = false) {
    await client.ip('address', 'flush', 'dev', 'eth0');
    await client.ip('link', 'set', 'eth0', 'address', mac);
    return askForLease(client, 'eth0', { quick });
  }

  /** Adds a reservation as an attach does: its record first. */
  async function reserve(reservation: Reservation) {
    truth = [...truth, reservation];
    return supervisor.reserve(network, reservation);
  }

  async function unreserve(reservation: Reservation) {
    truth = truth.filter(({ mac }) => mac !== reservation.mac);
    return supervisor.unreserve(network, reservation);
  }

  it('are in force without a restart, and no longer once removed', async () => {
    await start();
    const before = await pid();
    expect(await reserve(web)).toBe(true);
    expect(await ask(web.mac)).toMatchObject({ ip: web.address, hostname: 'web' });
    expect(await lookUp(client, GATEWAY, 'web')).toBe(web.address);
    expect(await ask(db.mac, true)).toBeUndefined();
    await reserve(db);
    expect(await unreserve(web)).toBe(true);
    await supervisor.release({ network, netns: network, gateway: GATEWAY }, web.address);
    expect(await ask(web.mac, true)).toBeUndefined();
    expect(await ask(db.mac)).toMatchObject({ ip: db.address });
    expect(await pid()).toBe(before);
    // An address can have another MAC at once.
    const next = { ...web, mac: '02:00:00:00:00:0c' };
    await reserve(next);
    expect(await ask(next.mac)).toMatchObject({ ip: web.address });
  });

  it('are the last lines of a file that is not written anew', async () => {
    truth = [web];
    await start();
    const before = await hosts();
    await reserve(db);
    expect(await hosts()).toBe(`${before}${line(db)}\n`);
    await unreserve(web);
    expect(present()).toEqual(new Set([line(db)]));
    expect(await supervisor.lacking(desired(), { files: true })).toBeUndefined();
  });

  it('of one turn of the event loop share a reload', async () => {
    await start();
    const before = await reloads();
    const many = Array.from({ length: 50 }, (_, index) => ({
      mac: `02:00:00:00:01:${index.toString(16).padStart(2, '0')}`,
      address: `172.16.0.${index + 20}`,
      hostname: `h${index}`,
    }));
    await Promise.all(many.map(reserve));
    await eventually(async () => (await reloads()) > before);
    expect(present()).toEqual(new Set(many.map(line)));
    expect(await ask(many[49]?.mac as string)).toMatchObject({ ip: many[49]?.address });
    expect(await reloads()).toBe(before + 1);
  });

  it('of a burst share a few reloads, and are in force when their call resolves', async () => {
    await start();
    const before = await reloads();
    const many = Array.from({ length: 200 }, (_, index) => ({
      mac: `02:00:00:00:01:${index.toString(16).padStart(2, '0')}`,
      address: `172.16.0.${index + 20}`,
      hostname: `h${index}`,
    }));
    const calls: Promise<boolean>[] = [];
    for (const each of many) {
      calls.push(reserve(each));
      await nextTurn();
    }
    expect(new Set(await Promise.all(calls))).toEqual(new Set([true]));
    expect(await ask(many[199]?.mac as string)).toMatchObject({ ip: many[199]?.address });
    const count = (await reloads()) - before;
    expect(count).toBeGreaterThan(0);
    expect(count).toBeLessThan(50);
  });

  it('stay when all files are written with an older desired state', async () => {
    await start();
    const old = desired();
    await reserve(web);
    await supervisor.update(old, current);
    expect(present()).toEqual(new Set([line(web)]));
    expect(await ask(web.mac)).toMatchObject({ ip: web.address });
  });

  it('without a record are removed by the next check of all', async () => {
    truth = [web, db];
    await start();
    truth = [db];
    expect(await supervisor.lacking(desired(), { files: true })).toBe('write the configuration of dnsmasq');
    await start();
    expect(await supervisor.lacking(desired(), { files: true })).toBeUndefined();
    expect(present()).toEqual(new Set([line(db)]));
    expect(await ask(web.mac, true)).toBeUndefined();
    expect(await ask(db.mac)).toMatchObject({ ip: db.address });
  });

  it('that a process removed before it died, without a signal, are not in force after the next removal', async () => {
    truth = [web, db];
    await start();
    new LineFile(runtimePaths(root, network).dhcpHosts).remove(`${web.mac},`);
    expect(await ask(web.mac)).toMatchObject({ ip: web.address });
    await unreserve(web);
    await supervisor.release({ network, netns: network, gateway: GATEWAY }, web.address);
    expect(await ask(web.mac, true)).toBeUndefined();
    expect(await ask(db.mac)).toMatchObject({ ip: db.address });
  });

  it('need a process that this one knows', async () => {
    expect(await reserve(web)).toBe(false);
    await start();
    process.kill((await pid()) as number, 'SIGKILL');
    await eventually(async () => (await pid()) !== undefined);
    expect(await ask(web.mac)).toMatchObject({ ip: web.address });
  });

  it('leave a small file behind, however many there were', async () => {
    await start();
    for (let round = 0; round < 500; round++) {
      await reserve(web);
      await unreserve(web);
    }
    await reserve(db);
    await eventually(async () => (await hosts()).length < 16 * 1024);
    expect(present()).toEqual(new Set([line(db)]));
  });
});
