import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Host, HostEvent, Interface, Network } from '../../../src/index.js';
import { pidsIn, pings, TestHost, talks } from '../../support/host.js';
import { eventually, json, privileged, type TestNamespace } from '../../support/namespaces.js';

describe.skipIf(!privileged)('events and counters of a host', () => {
  let machine: TestHost;
  let host: Host;
  let network: Network;
  let guest: TestNamespace;
  let nic: Interface;

  beforeAll(async () => {
    machine = await TestHost.create({ deletionHalo: 0 });
    host = await machine.open();
    network = await host.createNetwork({ name: 'seen', netblock: '172.16.0.0/24' });
    guest = await machine.guest();
    nic = await network.attach({ netns: guest.name, configure: true });
  });
  afterAll(() => machine.remove());

  async function kept(options: object = {}): Promise<HostEvent[]> {
    const events: HostEvent[] = [];
    for await (const event of host.events({ history: true, follow: false, ...options })) events.push(event);
    return events;
  }

  test('every change is recorded with event, subject, cause, process and duration', async () => {
    const [init, create, attach] = await kept();
    expect(init).toMatchObject({ event: 'host.init', cause: 'request', pid: process.pid });
    expect(create).toMatchObject({ event: 'network.create', cause: 'request', network: network.uuid });
    const { uuid, info } = nic;
    const about = { network: network.uuid, interface: uuid, address: info.address };
    expect(attach).toMatchObject({ event: 'interface.attach', ...about });
    expect(attach?.duration).toBeGreaterThan(0);
    expect(Math.abs(Date.parse(attach?.time ?? '') - Date.now())).toBeLessThan(600_000);
  });

  test('events are delivered to all handles at once, and to handles opened later', async () => {
    const other = await machine.open({ repair: false });
    const controller = new AbortController();
    const heard: HostEvent[] = [];
    const following = (async () => {
      for await (const event of other.events({ signal: controller.signal })) heard.push(event);
    })();
    const floating = await nic.float();
    const routed = await network.routeAddress();
    await nic.setMetadata({ colour: 'blue' });
    await nic.defloat();
    await network.unrouteAddress(routed);
    await expect(network.attach({ device: 'eth9' })).rejects.toMatchObject({ code: 'ERR_VETHWORK_NOT_FOUND' });
    await eventually(() => heard.length >= 6, 60_000);
    controller.abort(new Error('enough'));
    await expect(following).rejects.toThrow('enough');
    expect(heard.map(({ event, address }) => [event, address])).toEqual([
      ['interface.float', floating],
      ['network.route', routed],
      ['interface.metadata', undefined],
      ['interface.defloat', undefined],
      ['network.unroute', routed],
      ['interface.attach', undefined],
    ]);
    expect(heard.at(-1)?.error).toMatchObject({ code: 'ERR_VETHWORK_NOT_FOUND' });
    expect((await kept()).slice(-6)).toEqual(heard);
    expect(await kept({ after: heard[1]?.id })).toEqual(heard.slice(2));
    expect((await kept({ subject: routed })).map(({ event }) => event)).toEqual(['network.route', 'network.unroute']);
    expect((await kept({ subject: nic.uuid })).length).toBe(4);
    expect(() => host.events({ after: 'yesterday' })).toThrow('after');
  });

  test('repairs are recorded with the difference, and exits of dnsmasq', async () => {
    const start = (await kept()).length;
    await machine.node.ip('link', 'set', `br-vxlan-${network.info.vni.toString(16).padStart(6, '0')}`, 'down');
    expect(await host.reconcile({ dryRun: true })).not.toEqual([]);
    expect((await kept()).slice(start)).toEqual([]);
    const [told] = await host.reconcile();
    expect((await kept()).slice(start)).toMatchObject([
      { event: 'repair', cause: 'reconciliation', network: network.uuid, detail: told?.description },
    ]);
    const before = await pidsIn(network.uuid);
    for (const pid of before) process.kill(pid, 'SIGKILL');
    const seen = async (event: string) => (await kept()).slice(start).some((each) => each.event === event);
    await eventually(() => seen('dnsmasq.restarted'), 60_000);
    expect(await seen('dnsmasq.died')).toBe(true);
  });

  test('counters of an interface and its network equal those of ip and nft', async () => {
    await eventually(() => pings(guest, '172.16.0.1'), 60_000);
    await guest.run('ping', '-c', '3', '-i', '0.2', '-s', '1000', '10.0.0.1');
    const stats = async (device: string) => {
      const [link] = await json<{ stats64: { rx: Traffic; tx: Traffic } }[]>(
        ...['ip', '-n', machine.node.name, '-j', '-s', 'link', 'show', device],
      );
      const { rx, tx } = (link as { stats64: { rx: Traffic; tx: Traffic } }).stats64;
      return { rx: rx.bytes, tx: tx.bytes };
    };
    interface Traffic {
      bytes: number;
    }
    const device = await stats(nic.info.device);
    const own = await nic.counters();
    expect(own.sent.bytes).toBeGreaterThanOrEqual(device.rx);
    expect(own.received.bytes).toBeGreaterThanOrEqual(device.tx);
    expect(device.rx).toBeGreaterThan(3000);
    expect((await stats(nic.info.device)).rx).toBeGreaterThanOrEqual(own.sent.bytes);
    const counters = await network.counters();
    expect(counters.interfaces.sent.bytes).toBeGreaterThanOrEqual(own.sent.bytes);
    expect(counters.egress?.sent.bytes).toBeGreaterThan(3000);
    expect(counters.router?.received.bytes).toBeGreaterThan(3000);
    expect(counters.floating).toEqual({
      sent: { packets: 0, bytes: 0, dropped: 0 },
      received: { packets: 0, bytes: 0, dropped: 0 },
    });
    expect(counters.rules?.['srcnat: instances appear as the floating gateway']?.packets).toBeGreaterThan(0);
    expect(await talks(machine.world, await nic.float())).toBe(true);
    expect((await network.counters()).floating?.received.packets).toBeGreaterThan(0);
    await nic.defloat();
  });

  test('the iteration ends when the host is closed', async () => {
    const other = await machine.open({ repair: false });
    const heard: HostEvent[] = [];
    const following = (async () => {
      for await (const event of other.events()) heard.push(event);
    })();
    await nic.setMetadata({ colour: 'red' });
    await eventually(() => heard.length > 0);
    await other.close();
    await following;
    expect(heard.map(({ event }) => event)).toEqual(['interface.metadata']);
  });
});
