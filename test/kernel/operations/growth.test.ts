import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Host, Network } from '../../../src/api/types.js';
import { TestHost } from '../../support/host.js';
import { attempt, json, privileged, TestNamespace } from '../../support/namespaces.js';
import { Ear } from '../../support/traffic.js';

type Link = { ifname: string; address: string };

/** A network must not cost more the more networks there are. */
describe.skipIf(!privileged)('a network beside others', () => {
  let machine: TestHost;
  let host: Host;

  beforeEach(async () => {
    machine = await TestHost.create();
    host = await machine.open();
  });
  afterEach(() => machine.remove());

  const create = (name: string) => host.createNetwork({ name, netblock: '172.16.0.0/24', provideDhcp: false });
  const egress = ({ info }: Network) => `egr-${info.vni.toString(16).padStart(6, '0')}-i`;

  it('sends nothing to the others when it is created', async () => {
    const first = await create('first');
    await using ear = await Ear.open(TestNamespace.named(first.uuid), egress(first));
    const second = await create('second');
    // Its own links, and their ends in the host. Other links of the host also send.
    const vni = second.info.vni.toString(16).padStart(6, '0');
    const ends = [
      await json<Link[]>('ip', '-n', second.uuid, '-j', 'link'),
      await json<Link[]>('ip', '-n', machine.node.name, '-j', 'link'),
    ];
    const macs = ends.flat().flatMap(({ ifname, address }) => (ifname.includes(vni) ? [address] : []));
    expect(macs.length).toBeGreaterThan(3);
    // Long enough for the first IPv6 report and solicitation of a link, which follow within a second.
    await new Promise((resolve) => setTimeout(resolve, 2000));
    const addresses = await json<{ addr_info: { family: string }[] }[]>('ip', '-n', second.uuid, '-j', 'address');
    const families = new Set(addresses.flatMap(({ addr_info }) => addr_info.map(({ family }) => family)));
    expect([...families]).toEqual(['inet']);
    // Positive control: a broadcast on the egress bridge reaches the other network.
    const ping = ['ping', '-c', '1', '-W', '1', '192.168.15.99'];
    expect(await attempt('ip', 'netns', 'exec', second.uuid, ...ping)).toMatchObject({ exitCode: 1 });
    const own = macs.join('|');
    await ear.until(new RegExp(own));
    const heard = (await ear.close()).filter((frame) => new RegExp(`^[^>]*(${own}) >`).test(frame));
    expect(heard.length).toBeGreaterThan(0);
    expect(heard.filter((frame) => !frame.includes('who-has 192.168.15.99'))).toEqual([]);
  });
});
