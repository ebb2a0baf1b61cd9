import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Host, Network } from '../../../src/index.js';
import { TestHost } from '../../support/host.js';
import { eventually, privileged, TestNamespace } from '../../support/namespaces.js';
import { Ear, pings } from '../../support/traffic.js';

interface Options {
  address: string;
  antiSpoofing?: boolean;
  allowedAddresses?: string[];
}

describe.skipIf(!privileged)('the announcement of an address', () => {
  const namespaces: TestNamespace[] = [];
  let scene: TestHost;
  let host: Host;

  beforeAll(async () => {
    scene = await TestHost.create({ deletionHalo: 0 });
    host = await scene.open();
  });

  afterAll(async () => {
    await scene.remove();
    for (const namespace of namespaces) await namespace.remove();
  });

  const createNetwork = (name: string, octet: number) =>
    host.createNetwork({ name, netblock: `172.16.${octet}.0/24`, provideDhcp: false });

  async function attach(network: Network, options: Options) {
    const namespace = await TestNamespace.create('guest');
    namespaces.push(namespace);
    const nic = await network.attach({ netns: namespace.name, name: 'eth0', configure: true, ...options });
    return { namespace, nic };
  }

  /** Attaches an instance; whether a neighbour hears an announcement of its address, before it hears anything else. */
  async function isAnnounced(network: Network, neighbour: Awaited<ReturnType<typeof attach>>, options: Options) {
    const ear = await Ear.open(neighbour.namespace, 'eth0', 'arp');
    const { namespace, nic } = await attach(network, options);
    const { address } = options;
    // Positive control: the ear hears the instance ask for its neighbour. Everything earlier was heard before.
    expect(await pings(namespace, neighbour.nic.info.address)).toBe(true);
    await ear.until(new RegExp(`tell ${address}, `));
    const announced = (await ear.close()).some((line) => line.includes(`who-has ${address} tell ${address}`));
    return { announced, nic, namespace };
  }

  it('is sent if another instance has had the address, and only then', async () => {
    const network = await createNetwork('first', 0);
    const neighbour = await attach(network, { address: '172.16.0.10' });
    const first = await isAnnounced(network, neighbour, { address: '172.16.0.20' });
    expect(first.announced).toBe(false);
    await first.nic.detach();
    const second = await isAnnounced(network, neighbour, { address: '172.16.0.20' });
    expect(second.announced).toBe(true);
    await second.nic.detach();
    // An address that was only allowed counts, too.
    const sharing = await attach(network, { address: '172.16.0.30', allowedAddresses: ['172.16.0.40'] });
    await sharing.nic.detach();
    expect((await isAnnounced(network, neighbour, { address: '172.16.0.40' })).announced).toBe(true);
    // And one that another process has released.
    const other = await scene.open();
    await (await other.getInterface(neighbour.nic.uuid)).detach();
    const listener = await attach(network, { address: '172.16.0.50' });
    expect((await isAnnounced(network, listener, { address: '172.16.0.10' })).announced).toBe(true);
  });

  it('makes a neighbour forget the MAC of the previous owner', async () => {
    const network = await createNetwork('second', 1);
    const neighbour = await attach(network, { address: '172.16.1.10' });
    const first = await attach(network, { address: '172.16.1.20' });
    const known = () => neighbour.namespace.ip('neighbour', 'show', '172.16.1.20');
    expect(await pings(neighbour.namespace, '172.16.1.20')).toBe(true);
    expect(await known()).toContain(first.nic.info.mac);
    await first.nic.detach();
    const second = await attach(network, { address: '172.16.1.20' });
    expect(second.nic.info.mac).not.toBe(first.nic.info.mac);
    await eventually(async () => (await known()).includes(second.nic.info.mac));
    expect(await pings(neighbour.namespace, '172.16.1.20')).toBe(true);
  });

  it('is always sent once an instance without anti-spoofing may have used any address', async () => {
    const network = await createNetwork('third', 2);
    const neighbour = await attach(network, { address: '172.16.2.10' });
    const before = await isAnnounced(network, neighbour, { address: '172.16.2.20' });
    expect(before.announced).toBe(false);
    await attach(network, { address: '172.16.2.30', antiSpoofing: false });
    expect((await isAnnounced(network, neighbour, { address: '172.16.2.40' })).announced).toBe(true);
  });
});
