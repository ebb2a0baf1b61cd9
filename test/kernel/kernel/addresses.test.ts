import { describe, expect, test } from 'vitest';
import type { Address, Operation } from '../../../src/kernel/index.js';
import { openStage, rejection } from '../../support/kernel.js';
import { eventually, json, privileged } from '../../support/namespaces.js';

interface IpAddress {
  family: string;
  local: string;
  address?: string;
  prefixlen: number;
  broadcast?: string;
  scope: string;
  label?: string;
  metric?: number;
  nodad?: boolean;
  noprefixroute?: boolean;
  tentative?: boolean;
  valid_life_time: number;
  preferred_life_time: number;
}

async function shown(netns: string, device: string): Promise<IpAddress[]> {
  const links = await json<{ addr_info: IpAddress[] }[]>('ip', '-n', netns, '-d', '-j', 'addr', 'show', 'dev', device);
  return links[0]?.addr_info ?? [];
}

const bridge = (netns: string): Operation => ({
  op: 'link.add',
  netns,
  link: { kind: 'bridge', name: 'br', index: 5000, up: true },
});

describe.skipIf(!privileged)('addresses', () => {
  test('an IPv4 address with every option is shown by ip and listed', async () => {
    await using stage = await openStage();
    const { kernel, netns } = stage;
    const address: Address = {
      index: 5000,
      address: '172.16.0.1/24',
      broadcast: '172.16.0.255',
      label: 'br-label',
      scope: 'link',
      noPrefixRoute: true,
      validLifetime: 4000,
      preferredLifetime: 2000,
      priority: 77,
      protocol: 150,
    };
    await kernel.transaction([bridge(netns), { op: 'address.add', netns, address }]);
    const [one] = await shown(netns, 'br');
    expect(one).toMatchObject({
      family: 'inet',
      local: '172.16.0.1',
      prefixlen: 24,
      broadcast: '172.16.0.255',
      scope: 'link',
      label: 'br-label',
      noprefixroute: true,
      metric: 77,
    });
    for (const [lifetime, most] of [
      [one?.valid_life_time, 4000],
      [one?.preferred_life_time, 2000],
    ] as const) {
      expect(lifetime).toBeGreaterThan(most - 60);
      expect(lifetime).toBeLessThanOrEqual(most);
    }
    const listed = await kernel.query('address.list', { netns });
    const { validLifetime, preferredLifetime, ...constant } = address;
    expect(listed).toContainEqual(expect.objectContaining(constant));
  });

  test('lifetimes are infinite by default; the address of a peer is the remote end', async () => {
    await using stage = await openStage();
    const { kernel, netns } = stage;
    const peer: Address = { index: 5000, address: '10.9.0.1/32', peer: '10.9.0.2' };
    await kernel.transaction([bridge(netns), { op: 'address.add', netns, address: peer }]);
    const [one] = await shown(netns, 'br');
    expect(one).toMatchObject({ local: '10.9.0.1', address: '10.9.0.2', prefixlen: 32, valid_life_time: 4294967295 });
    const listed = (await kernel.query('address.list', { netns })).find(({ index }) => index === 5000);
    expect(listed).toMatchObject(peer);
    expect(listed).not.toHaveProperty('validLifetime');
  });

  test('an IPv6 address without duplicate address detection is usable at once', async () => {
    await using stage = await openStage(2);
    const { kernel, netns, other } = stage;
    await kernel.transaction([
      {
        op: 'link.add',
        netns,
        link: {
          kind: 'veth',
          name: 'a',
          index: 5000,
          up: true,
          data: { peer: { name: 'b', index: 5001, netns: other.name } },
        },
      },
      { op: 'link.set', netns: other.name, link: { index: 5001 }, changes: { up: true } },
      { op: 'address.add', netns, address: { index: 5000, address: 'fd00::1/64', nodad: true } },
      { op: 'address.add', netns, address: { index: 5000, address: 'fd00::2/64' } },
    ]);
    const all = await shown(netns, 'a');
    const sure = all.find(({ local }) => local === 'fd00::1');
    expect(sure).toMatchObject({ family: 'inet6', prefixlen: 64, nodad: true });
    expect(sure).not.toHaveProperty('tentative');
    expect((await kernel.query('address.list', { netns })).find((a) => a.address === 'fd00::1/64')).not.toHaveProperty(
      'tentative',
    );
    // The other address is tentative as long as ip shows it so.
    const tentative = async () => (await shown(netns, 'a')).some((a) => a.local === 'fd00::2' && a.tentative === true);
    const ours = async () =>
      (await kernel.query('address.list', { netns })).some((a) => a.address === 'fd00::2/64' && a.tentative === true);
    await eventually(async () => !(await tentative()));
    expect(await ours()).toBe(false);
  });

  test('create, replace, delete', async () => {
    await using stage = await openStage();
    const { kernel, netns } = stage;
    const address: Address = { index: 5000, address: '10.0.0.1/8' };
    await kernel.transaction([bridge(netns), { op: 'address.add', netns, address }]);
    expect(await rejection(kernel.transaction([{ op: 'address.add', netns, address }]))).toMatchObject({
      code: 'EEXIST',
      operation: 'add address 10.0.0.1/8 to link 5000',
      namespace: netns,
      extack: expect.stringMatching(/already assigned/i),
    });
    await kernel.transaction([
      {
        op: 'address.add',
        netns,
        mode: 'replace',
        address: { ...address, validLifetime: 900, preferredLifetime: 800 },
      },
    ]);
    const [one, ...more] = (await shown(netns, 'br')).filter(({ family }) => family === 'inet');
    expect(more).toEqual([]);
    expect(one?.valid_life_time).toBeLessThanOrEqual(900);
    await kernel.transaction([{ op: 'address.delete', netns, address }]);
    expect((await shown(netns, 'br')).filter(({ family }) => family === 'inet')).toEqual([]);
    expect(await rejection(kernel.transaction([{ op: 'address.delete', netns, address }]))).toMatchObject({
      code: 'EADDRNOTAVAIL',
      operation: 'delete address 10.0.0.1/8 of link 5000',
    });
  });

  test('addresses of ip are listed as ip shows them', async () => {
    await using stage = await openStage();
    const { kernel, netns, namespace } = stage;
    await kernel.transaction([bridge(netns)]);
    await namespace.ip('address', 'add', '192.0.2.1/25', 'broadcast', '+', 'dev', 'br');
    await namespace.ip('address', 'add', '192.0.2.129', 'peer', '192.0.2.130/31', 'dev', 'br');
    await namespace.ip('address', 'add', 'fd00::1/64', 'dev', 'br', 'nodad');
    await namespace.ip('address', 'add', 'fd00:1::1', 'peer', 'fd00:1::2', 'dev', 'br', 'nodad');
    const links = await json<{ ifindex: number; addr_info: IpAddress[] }[]>('ip', '-n', netns, '-d', '-j', 'addr');
    const expected = links.flatMap(({ ifindex, addr_info }) =>
      addr_info.map((a) => ({
        index: ifindex,
        address: `${a.local}/${a.prefixlen}`,
        peer: a.address,
        broadcast: a.broadcast,
        scope: a.scope,
        label: a.label,
      })),
    );
    const listed = (await kernel.query('address.list', { netns })).map(
      ({ index, address, peer, broadcast, scope, label }) => ({
        index,
        address,
        peer,
        broadcast,
        scope,
        label,
      }),
    );
    const byAddress = (a: { address: string }, b: { address: string }) => a.address.localeCompare(b.address);
    expect(listed.sort(byAddress)).toEqual(expected.sort(byAddress));
    expect(listed.length).toBeGreaterThan(6);
  });

  test.each<[string, object, string]>([
    ['no prefix length beyond 32', { address: '10.0.0.1/33' }, 'address'],
    ['no text', { address: 'nonsense' }, 'address'],
    ['no leading zeros', { address: '010.0.0.1/8' }, 'address'],
    ['a peer of the other family', { address: '10.0.0.1/8', peer: 'fd00::1' }, 'peer'],
    ['a broadcast address of the other family', { address: '10.0.0.1/8', broadcast: 'fd00::1' }, 'broadcast'],
    ['a label too long', { address: '10.0.0.1/8', label: 'sixteen-bytes-xx' }, 'label'],
    ['an unknown scope', { address: '10.0.0.1/8', scope: 'world' }, 'scope'],
    ['a negative lifetime', { address: '10.0.0.1/8', validLifetime: -1 }, 'validLifetime'],
    ['an unknown property', { address: '10.0.0.1/8', colour: 'red' }, 'colour'],
    ['a link of index 0', { address: '10.0.0.1/8', index: 0 }, 'index'],
  ])('invalid arguments are rejected before anything is sent: %s', async (_, address, field) => {
    await using stage = await openStage();
    const { kernel, netns } = stage;
    const operation = { op: 'address.add', netns, address: { index: 1, ...address } } as unknown as Operation;
    expect(await rejection(kernel.transaction([bridge(netns), operation]))).toMatchObject({
      name: 'ValidationError',
      field: `operations[1].address.${field}`,
    });
    expect(await kernel.query('link.list', { netns })).toHaveLength(1);
  });
});
