import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Host, Network } from '../../../src/api/types.js';
import { TestHost } from '../../support/host.js';
import { attempt, eventually, json, privileged } from '../../support/namespaces.js';

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

  /** Frames that the network has received from the egress bridge. */
  async function received(network: Network): Promise<number> {
    const [link] = await json<{ stats64: { rx: { packets: number } } }[]>(
      ...['ip', '-n', network.uuid, '-j', '-s', 'link', 'show', egress(network)],
    );
    return link?.stats64.rx.packets ?? Number.NaN;
  }

  it('sends nothing to the others when it is created', async () => {
    const first = await create('first');
    const before = await received(first);
    const second = await create('second');
    // Long enough for the first IPv6 report and solicitation of a link, which follow within a second.
    await new Promise((resolve) => setTimeout(resolve, 2000));
    expect(await received(first)).toBe(before);
    const addresses = await json<{ addr_info: { family: string }[] }[]>('ip', '-n', second.uuid, '-j', 'address');
    const families = new Set(addresses.flatMap(({ addr_info }) => addr_info.map(({ family }) => family)));
    expect([...families]).toEqual(['inet']);
    // Positive control: a broadcast on the egress bridge reaches the other network.
    const ping = ['ping', '-c', '1', '-W', '1', '192.168.15.99'];
    expect(await attempt('ip', 'netns', 'exec', second.uuid, ...ping)).toMatchObject({ exitCode: 1 });
    await eventually(async () => expect(await received(first)).toBeGreaterThan(before));
  });
});
