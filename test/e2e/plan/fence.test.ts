import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Kernel, openKernel } from '../../../src/kernel/index.js';
import type { DesiredHost } from '../../../src/plan/desired.js';
import { renewFence } from '../../../src/plan/fence.js';
import { planFloatingIp } from '../../../src/plan/floating-ip.js';
import { planHost } from '../../../src/plan/host.js';
import { planNetwork } from '../../../src/plan/network.js';
import { connect, eventually, privileged, TestNamespace } from '../../support/namespaces.js';
import { ping } from '../../support/ping.js';
import { Ear } from '../../support/traffic.js';
import * as fixtures from '../../unit/plan/fixtures.js';

const GATEWAY = '192.168.15.194';
const HOST = fixtures.host.floatingAddress;
/** An address of the host that belongs to no network. */
const OWN = '10.5.5.1';
/** Milliseconds. */
const LEASE = 1500;

describe.skipIf(!privileged)('the fence of a network node', () => {
  let machine: TestNamespace;
  let outside: TestNamespace;
  let inside: TestNamespace;
  let host: DesiredHost;
  const kernel: Kernel = openKernel();

  beforeAll(async () => {
    machine = await TestNamespace.create('fenced');
    outside = await TestNamespace.create('outside');
    inside = TestNamespace.named(`${machine.name}-net`);
    await machine.ip('link', 'add', 'eth0', 'index', '5000', 'type', 'veth', 'peer', 'name', 'eth1');
    host = { ...fixtures.host, netns: machine.name, fence: true };
    const network = { ...fixtures.network, uuid: inside.name, mtu: 1500 };
    await kernel.transaction([
      ...planHost(host),
      ...planNetwork(host, { index: 5000, address: '10.99.0.1' }, network),
      ...planFloatingIp(host, network, fixtures.floating),
    ]);
    await connect([machine, 'uplink'], [outside, 'eth0']);
    await machine.ip('link', 'set', 'uplink', 'master', host.egressBridge.name);
    await machine.ip('address', 'add', `${OWN}/24`, 'dev', host.egressBridge.name);
    for (const address of ['192.168.15.250/24', '10.5.5.2/24']) {
      await outside.ip('address', 'add', address, 'dev', 'eth0');
    }
  });

  afterAll(async () => {
    await kernel.close();
    for (const namespace of [inside, machine, outside]) await namespace?.remove();
  });

  const renew = () => kernel.transaction([renewFence(host, LEASE)]);
  const answers = (address: string) => ping(outside, address, '-W', '1');
  /** Sends ARP requests; the kernel's own cache does not matter. */
  const arping = (address: string) => outside.attempt('busybox', 'arping', '-c', '1', '-w', '1', '-I', 'eth0', address);
  const addresses = [GATEWAY, HOST];

  it('is closed at first: no address of the floating network is answered, others are', async () => {
    await using ear = await Ear.open(outside, 'eth0', 'arp');
    for (const address of [...addresses, fixtures.floating.address]) await arping(address);
    expect(await answers(OWN)).toBe(true);
    const heard = await ear.close();
    expect(heard.filter((line) => line.includes(`who-has ${GATEWAY} `)).length).toBeGreaterThan(0);
    expect(heard.filter((line) => /Reply 192\.168\.15\.(?!250)/.test(line))).toEqual([]);
    expect(heard.filter((line) => line.includes(`Reply ${OWN} `)).length).toBeGreaterThan(0);
  });

  it('passes everything while it is renewed, and nothing after the lease, by the clock of the kernel', async () => {
    await renew();
    for (const address of [...addresses, OWN]) expect(await answers(address)).toBe(true);
    const load = outside.attempt('ping', '-D', '-q', '-c', '30', '-i', '0.1', '-W', '1', GATEWAY);
    let isLoaded = true;
    const loaded = load.then((result) => {
      isLoaded = false;
      return result;
    });
    while (isLoaded) {
      await renew();
      await new Promise((resolve) => setTimeout(resolve, LEASE / 10));
    }
    expect((await loaded).stdout).toContain(' 0% packet loss');

    const flood = outside.attempt('ping', '-D', '-c', '60', '-i', '0.05', '-W', '1', GATEWAY);
    await renew();
    const last = Date.now();
    const replies = [...(await flood).stdout.matchAll(/^\[(\d+\.\d+)\] .* bytes from/gm)].map(([, at]) => Number(at));
    expect(replies.length).toBeGreaterThan(0);
    // A tick of the kernel has at most 10 ms; a reply may be on its way.
    expect(Math.max(...replies) * 1000).toBeLessThan(last + LEASE + 50);

    await using ear = await Ear.open(outside, 'eth0', 'arp or icmp');
    for (const address of addresses) await arping(address);
    expect(await Promise.all(addresses.map(answers))).toEqual([false, false]);
    expect(await answers(OWN)).toBe(true);
    const heard = await ear.close();
    expect(heard.filter((line) => line.includes(`who-has ${GATEWAY} `)).length).toBeGreaterThan(0);
    expect(
      heard.filter((line) => /Reply 192\.168\.15\.(?!250)|192\.168\.15\.\d+ > 192\.168\.15\.250/.test(line)),
    ).toEqual([]);
  });

  it('opens again with a lease, whether the element is absent, expired or in force', async () => {
    for (const set of ['ports', 'hosts']) await machine.run('nft', 'flush', 'set', 'bridge', 'vethwork_fence', set);
    for (const _state of ['absent', 'in force']) {
      await renew();
      expect(await answers(GATEWAY)).toBe(true);
    }
    await eventually(async () => !(await answers(GATEWAY)));
    await renew();
    expect(await answers(GATEWAY)).toBe(true);
  });

  it('grants no lease when its table is created again, and is as nft shows it', async () => {
    await kernel.transaction([renewFence(host, 600_000)]);
    expect(await answers(GATEWAY)).toBe(true);
    await machine.run('nft', 'delete', 'chain', 'bridge', 'vethwork_fence', 'output');
    expect((await kernel.ensure(planHost(host))).length).toBeGreaterThan(0);
    const listing = await machine.run('nft', 'list', 'table', 'bridge', 'vethwork_fence');
    expect(listing).not.toContain('elements');
    for (const text of ['iifgroup 1996488704', 'arp saddr ip 192.168.15.0/24', '@ports', '@hosts']) {
      expect(listing).toContain(text);
    }
    expect(await answers(GATEWAY)).toBe(false);
  });

  it('is absent by default', async () => {
    expect(JSON.stringify(planHost(fixtures.host))).not.toContain('vethwork_fence');
    expect(JSON.stringify(planHost(host))).toContain('vethwork_fence');
  });
});
