import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Host, Network } from '../../../src/index.js';
import { openKernel } from '../../../src/kernel/index.js';
import { askForLease } from '../../support/dhcp.js';
import { TestHost } from '../../support/host.js';
import { json, privileged, sh, type TestNamespace } from '../../support/namespaces.js';
import { Ear } from '../../support/traffic.js';

describe.skipIf(!privileged)('UDP checksums of DHCP replies', () => {
  let machine: TestHost;
  let host: Host;
  let network: Network;
  let guest: TestNamespace;

  beforeAll(async () => {
    machine = await TestHost.create();
    host = await machine.open();
    network = await host.createNetwork({ name: 'demo', netblock: '172.16.0.0/24' });
    guest = await machine.guest();
    await network.attach({ netns: guest.name });
    await guest.ip('link', 'set', 'eth0', 'up');
  });
  afterAll(() => machine.remove());

  const inside = (...command: string[]) => sh('ip', 'netns', 'exec', network.uuid, ...command);

  /** What tcpdump in the container says about the checksums of the replies to a request for a lease. */
  async function checksums(): Promise<string[]> {
    const ear = await Ear.open(guest, 'eth0', '-vv', '-Q', 'in', 'udp dst port 68');
    expect(await askForLease(guest, 'eth0')).toMatchObject({ router: '172.16.0.1' });
    const heard = (await ear.close()).join('\n');
    return heard.match(/udp sum ok|bad udp cksum|no cksum/g) ?? [];
  }

  test('are complete when the container receives them, and checksum offload stays on', async () => {
    const replies = await checksums();
    expect(replies.length).toBeGreaterThan(0);
    expect(new Set(replies)).toEqual(new Set(['udp sum ok']));
    await using kernel = openKernel();
    const [link] = await json<{ ifindex: number }[]>(
      ...([
        'ip',
        '-n',
        network.uuid,
        '-j',
        'link',
        'show',
        `veth-${network.info.vni.toString(16).padStart(6, '0')}-i`,
      ] as const),
    );
    const where = { netns: network.uuid, index: link?.ifindex as number };
    expect(await kernel.query('link.offloads', where)).toEqual({ txChecksum: true });
  });

  test('are incomplete without the rule; the rule is repaired, and rules of other programs in the table stay', async () => {
    await inside('nft', 'delete', 'table', 'ip', 'mangle');
    expect(new Set(await checksums())).toEqual(new Set(['bad udp cksum']));
    await inside('nft', 'add', 'table', 'ip', 'mangle');
    await inside('nft', 'add', 'chain', 'ip', 'mangle', 'MINE');
    await inside('nft', 'add', 'rule', 'ip', 'mangle', 'MINE', 'counter', 'accept');
    expect(await host.reconcile()).toHaveLength(1);
    expect(await host.reconcile()).toEqual([]);
    expect(new Set(await checksums())).toEqual(new Set(['udp sum ok']));
    expect(await inside('nft', 'list', 'chain', 'ip', 'mangle', 'MINE')).toContain('accept');
  });

  test('are not changed in a network without DHCP', async () => {
    const other = await host.createNetwork({ name: 'other', netblock: '172.17.0.0/24', provideDhcp: false });
    expect(await sh('ip', 'netns', 'exec', other.uuid, 'nft', 'list', 'tables')).not.toContain('mangle');
    await other.delete();
  });
});
