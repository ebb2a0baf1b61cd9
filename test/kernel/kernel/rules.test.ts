import { describe, expect, test } from 'vitest';
import type { Operation, Rule } from '../../../src/kernel/index.js';
import { openStage, rejection } from '../../support/kernel.js';
import { json, privileged } from '../../support/namespaces.js';

interface IpRule {
  priority: number;
  src: string;
  srclen?: number;
  dst?: string;
  dstlen?: number;
  fwmark?: string;
  fwmask?: string;
  iif?: string;
  oif?: string;
  table?: string;
  action?: string;
  not?: null;
  goto?: number;
  nop?: null;
  ipproto?: string;
  sport?: number;
  dport_start?: number;
  dport_end?: number;
  uid_start?: number;
  uid_end?: number;
  suppress_prefixlen?: number;
  l3mdev?: null;
  tos?: string;
  suppress_ifgroup?: string;
  tun_id?: number;
  flow_from?: string;
  flow_to?: string;
  protocol?: string;
}

function shown(netns: string, ...family: string[]): Promise<IpRule[]> {
  return json<IpRule[]>('ip', '-n', netns, '-d', '-j', ...family, 'rule');
}

describe.skipIf(!privileged)('routing rules', () => {
  test.each<[string, Rule, Partial<IpRule>]>([
    ['a mark', { priority: 500, mark: 5, table: 77 }, { fwmark: '0x5', table: '77', src: 'all' }],
    ['a mark with a mask', { priority: 500, mark: 5, mask: 0xff, table: 77 }, { fwmark: '0x5', fwmask: '0xff' }],
    [
      'both sides',
      { priority: 500, source: '10.0.0.0/8', destination: '192.0.2.1/32', table: 100_000 },
      { src: '10.0.0.0', srclen: 8, dst: '192.0.2.1', table: '100000' },
    ],
    [
      'both interfaces',
      { priority: 500, inputInterface: 'lo', outputInterface: 'veth-e2300f-i', table: 77 },
      { iif: 'lo', oif: 'veth-e2300f-i' },
    ],
    ['anything but', { priority: 500, source: '10.0.0.0/8', invert: true, table: 77 }, { not: null, src: '10.0.0.0' }],
    ['a blackhole', { priority: 500, mark: 5, action: 'blackhole' }, { action: 'blackhole' }],
    ['a refusal', { priority: 500, mark: 5, action: 'unreachable' }, { action: 'unreachable' }],
    ['a prohibition', { priority: 500, mark: 5, action: 'prohibit' }, { action: 'prohibit' }],
    ['a jump', { priority: 500, mark: 5, action: 'goto', goto: 32766 }, { goto: 32766 }],
    ['nothing', { priority: 500, mark: 5, action: 'nop' }, { nop: null }],
    [
      'a protocol and its ports',
      {
        priority: 500,
        ipProtocol: 17,
        sourcePorts: { low: 53, high: 53 },
        destinationPorts: { low: 1000, high: 2000 },
        table: 77,
      },
      { ipproto: 'udp', sport: 53, dport_start: 1000, dport_end: 2000 },
    ],
    ['users', { priority: 500, userIds: { low: 1000, high: 2000 }, table: 77 }, { uid_start: 1000, uid_end: 2000 }],
    ['all but the default route', { priority: 500, suppressPrefixLength: 0, table: 254 }, { suppress_prefixlen: 0 }],
    ['a type of service', { priority: 500, tos: 0x10, table: 77 }, { tos: '0x10' }],
    ['all but a group of links', { priority: 500, suppressGroup: 7, table: 254 }, { suppress_ifgroup: '7' }],
    ['a tunnel', { priority: 500, tunnelId: 4711, table: 77 }, { tun_id: 4711 }],
    ['realms', { priority: 500, realms: 0x0003_0005, table: 77 }, { flow_from: '3', flow_to: '5' }],
    ['a maker', { priority: 500, mark: 5, table: 77, protocol: 150 }, { protocol: '150' }],
    ["the link's VRF", { priority: 500, l3mdev: true }, { l3mdev: null }],
  ])('%s', async (_, rule, expected) => {
    await using stage = await openStage();
    const { kernel, netns } = stage;
    const before = await shown(netns);
    await kernel.transaction([{ op: 'rule.add', netns, rule }]);
    const after = await shown(netns);
    expect(after).toHaveLength(before.length + 1);
    expect(after.find(({ priority }) => priority === 500)).toMatchObject(expected);
    expect((await kernel.query('rule.list', { netns })).find(({ priority }) => priority === 500)).toMatchObject(rule);
    expect(await rejection(kernel.transaction([{ op: 'rule.add', netns, rule }]))).toMatchObject({
      code: 'EEXIST',
      operation: 'add routing rule 500',
      namespace: netns,
    });
    await kernel.transaction([{ op: 'rule.delete', netns, rule }]);
    expect(await shown(netns)).toEqual(before);
    expect(await rejection(kernel.transaction([{ op: 'rule.delete', netns, rule }]))).toMatchObject({ code: 'ENOENT' });
  });

  test('IPv6 rules by family or by address', async () => {
    await using stage = await openStage();
    const { kernel, netns } = stage;
    await kernel.transaction([
      { op: 'rule.add', netns, rule: { priority: 500, family: 'inet6', mark: 5, table: 77 } },
      { op: 'rule.add', netns, rule: { priority: 501, source: 'fd00::/64', table: 77 } },
    ]);
    expect((await shown(netns, '-4')).filter(({ priority }) => priority === 500 || priority === 501)).toEqual([]);
    const six = await shown(netns, '-6');
    expect(six.find(({ priority }) => priority === 500)).toMatchObject({ fwmark: '0x5' });
    expect(six.find(({ priority }) => priority === 501)).toMatchObject({ src: 'fd00::', srclen: 64 });
    expect((await kernel.query('rule.list', { netns })).filter(({ family }) => family === 'inet6')).toMatchObject([
      { priority: 0 },
      { priority: 500, mark: 5, table: 77 },
      { priority: 501, source: 'fd00::/64' },
      { priority: 32766 },
    ]);
  });

  test('rules of ip are listed as ip shows them', async () => {
    await using stage = await openStage();
    const { kernel, netns, namespace } = stage;
    await namespace.ip('rule', 'add', 'priority', '7', 'not', 'from', '10.0.0.0/8', 'iif', 'lo', 'lookup', '300');
    await namespace.ip('rule', 'add', 'priority', '8', 'fwmark', '0x10/0xf0', 'prohibit');
    const tables: Record<string, number> = { local: 255, main: 254, default: 253 };
    const theirs = (await shown(netns)).map((r) => [
      r.priority,
      r.src === 'all' ? undefined : `${r.src}/${r.srclen ?? 32}`,
      r.table === undefined ? undefined : (tables[r.table] ?? Number(r.table)),
      r.fwmark === undefined ? undefined : Number(r.fwmark),
      r.iif,
      'not' in r,
    ]);
    const ours = (await kernel.query('rule.list', { netns }))
      .filter(({ family }) => family === 'inet')
      .map((r) => [
        r.priority,
        r.source,
        r.action === 'prohibit' ? undefined : r.table,
        r.mark,
        r.inputInterface,
        r.invert === true,
      ]);
    expect(ours).toEqual(theirs);
  });

  test.each<[string, unknown, string]>([
    ['a mark beyond 32 bits', { priority: 5, mark: 2 ** 32 }, 'mark'],
    ['sides of two families', { priority: 5, source: '10.0.0.0/8', destination: 'fd00::/8' }, 'destination'],
    ['a side that is not of the family', { priority: 5, family: 'inet6', source: '10.0.0.0/8' }, 'source'],
    ['an unknown action', { priority: 5, action: 'dance' }, 'action'],
    ['an unknown property', { priority: 5, colour: 1 }, 'colour'],
    ['an interface name too long', { priority: 5, inputInterface: 'sixteen-bytes-xx' }, 'inputInterface'],
    ['ports the wrong way round', { priority: 5, sourcePorts: { low: 2, high: 1 } }, 'sourcePorts'],
    ['a port that means nothing', { priority: 5, sourcePorts: { low: 2, high: 65535 } }, 'sourcePorts.high'],
    ['no priority', { mark: 5, table: 7 }, 'priority'],
  ])('invalid arguments are rejected before anything is sent: %s', async (_, rule, field) => {
    await using stage = await openStage(1);
    const { kernel, netns } = stage;
    const operations = [
      { op: 'rule.add', netns, rule: { priority: 4, table: 7 } },
      { op: 'rule.add', netns, rule },
    ] as Operation[];
    expect(await rejection(kernel.transaction(operations))).toMatchObject({
      name: 'ValidationError',
      field: `operations[1].rule.${field}`,
    });
    expect(await shown(netns)).toHaveLength(3);
  });
});
