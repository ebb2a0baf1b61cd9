import { describe, expect, test } from 'vitest';
import type { Actual, ActualNamespace } from '../../../src/kernel/ensure/actual.js';
import { missingOperations } from '../../../src/kernel/ensure/missing.js';
import type { Link } from '../../../src/kernel/link/index.js';
import type { Expression, NftCommand } from '../../../src/kernel/nftables/index.js';
import type { Operation } from '../../../src/kernel/operation.js';
import type { NftObject } from '../../../src/kernel/query.js';
import { addFloating, planRuleset } from '../../../src/plan/ruleset.js';
import { floating, host, network, uuid } from '../plan/fixtures.js';

const nothing: ActualNamespace = {
  links: new Map(),
  addresses: [],
  routes: [],
  rules: [],
  neighbours: [],
  nft: [],
  sysctls: new Map(),
};

const inside = (there: Partial<ActualNamespace>, netns = 'n'): Actual => new Map([[netns, { ...nothing, ...there }]]);

function link(values: Partial<Link> & { index: number; name: string }): Map<number, Link> {
  return new Map([[values.index, { type: 1, flags: 0, up: true, mtu: 1500, group: 0, ...values }]]);
}

/** Every kind of operation that makes something. */
const made: Operation[] = [
  { op: 'link.add', netns: 'n', link: { kind: 'vxlan', name: 'v', index: 7, mtu: 1400, master: 6, data: { id: 5 } } },
  { op: 'tap.add', netns: 'n', tap: { name: 'v', index: 7 } },
  { op: 'link.set', netns: 'n', link: { index: 7 }, changes: { up: true, alias: 'ours', inet: { rpFilter: 2 } } },
  { op: 'address.add', netns: 'n', address: { index: 7, address: '10.0.0.1/24' } },
  { op: 'route.add', netns: 'n', route: { destination: 'default', gateway: '10.0.0.2', index: 7 } },
  { op: 'route.add', netns: 'n', route: { destination: '10.1.0.0/16', index: 7, table: 9, scope: 'link' } },
  { op: 'rule.add', netns: 'n', rule: { priority: 1000, mark: 9, table: 9 } },
  { op: 'neighbour.add', netns: 'n', neighbour: { index: 7, destination: '10.0.0.9', proxy: true } },
  { op: 'sysctl.set', netns: 'n', key: 'ipv4/ip_forward', value: 1 },
];

const present: ActualNamespace = {
  ...nothing,
  links: link({
    index: 7,
    name: 'v',
    kind: 'vxlan',
    mtu: 1400,
    master: 6,
    alias: 'ours',
    inet: { rpFilter: 2, arpIgnore: 0 },
  }),
  addresses: [{ index: 7, address: '10.0.0.1/24', scope: 'global' }],
  routes: [
    { destination: '0.0.0.0/0', gateway: '10.0.0.2', index: 7, table: 254, protocol: 'static' },
    { destination: '10.1.0.0/16', index: 7, table: 9, scope: 'link' },
  ],
  rules: [{ priority: 1000, mark: 9, mask: 0xffffffff, table: 9, action: 'lookup' }],
  neighbours: [{ index: 7, destination: '10.0.0.9', proxy: true, family: 'inet' }],
  sysctls: new Map([['ipv4/ip_forward', '1']]),
};

describe('missing operations of a plan', () => {
  test('are none if everything exists', () => {
    expect(missingOperations(made, inside(present))).toEqual([]);
  });

  test('are all if nothing exists, or the namespace is missing', () => {
    expect(missingOperations(made, inside({}))).toEqual(made);
    expect(missingOperations(made, new Map())).toEqual(made);
    const namespace: Operation = { op: 'namespace.add', name: 'n' };
    expect(missingOperations([namespace], new Map())).toEqual([namespace]);
    expect(missingOperations([namespace], inside({}))).toEqual([]);
  });

  test.each([
    ['an address of another link', { addresses: [{ index: 8, address: '10.0.0.1/24' }] }, 'address.add'],
    ['a rule with another mark', { rules: [{ priority: 1000, mark: 8, table: 9 }] }, 'rule.add'],
    ['a neighbour that is no proxy', { neighbours: [{ index: 7, destination: '10.0.0.9' }] }, 'neighbour.add'],
    ['a setting with another value', { sysctls: new Map([['ipv4/ip_forward', '0']]) }, 'sysctl.set'],
    ['a link that is down', { links: link({ ...link7(), up: false }) }, 'link.set'],
    ['a protocol setting with another value', { links: link({ ...link7(), inet: { rpFilter: 1 } }) }, 'link.set'],
  ])('are one for %s', (_what, there, op) => {
    expect(missingOperations(made, inside({ ...present, ...there })).map((each) => each.op)).toEqual([op]);
  });

  test('include a route that exists in another table', () => {
    const routes = present.routes.map((route) => ({ ...route, table: 8 }));
    expect(missingOperations(made, inside({ ...present, routes }))).toEqual(
      made.filter(({ op }) => op === 'route.add'),
    );
  });

  test('change a link with another name, MTU or bridge, and do not create it', () => {
    const { master: _, ...orphan } = link7();
    const links = link({ ...orphan, name: 'other', mtu: 1500 });
    expect(missingOperations(made.slice(0, 1), inside({ ...present, links }))).toEqual([
      { op: 'link.set', netns: 'n', link: { index: 7 }, changes: { name: 'v', mtu: 1400, master: 6 } },
    ]);
  });

  test('never include deletions', () => {
    const removals: Operation[] = [
      { op: 'conntrack.delete', netns: 'n', filter: { address: '10.0.0.1' } },
      { op: 'link.delete', netns: 'n', link: { index: 7 } },
      { op: 'namespace.delete', name: 'n' },
    ];
    expect(missingOperations(removals, inside({}))).toEqual([]);
  });
});

describe('missing commands of a ruleset', () => {
  const plan = [planRuleset(host, network), addFloating(uuid, floating)];
  const commands = plan.flatMap((each) => (each.op === 'nftables.batch' ? each.commands : []));
  const listed = commands.flatMap((command): NftObject[] => {
    if (command.command === 'element.add')
      return command.elements.map((each) => ({ object: 'element', ...command, ...each }));
    const [object] = command.command.split('.') as [NftObject['object']];
    return [{ object, ...command }];
  });
  const left = (nft: NftObject[]) =>
    missingOperations(plan, inside({ nft }, uuid)).flatMap((each) =>
      each.op === 'nftables.batch' ? each.commands : [],
    );

  test('are none if it exists, whatever other objects exist', () => {
    const others: NftObject[] = [
      { object: 'table', family: 'inet', name: 'filter' },
      { object: 'chain', family: 'inet', table: 'filter', name: 'input' },
      { object: 'table', family: 'ip6', name: 'vethwork' },
    ];
    expect(left([...others, ...listed])).toEqual([]);
  });

  test('are only the elements that are missing or differ', () => {
    const without = listed.filter(({ object }) => object !== 'element');
    expect(left(without)).toEqual(commands.slice(-2));
    expect(left([...without, { ...(listed.at(-2) as NftObject), data: '172.16.0.38' }])).toEqual(commands.slice(-2));
  });

  const rule = (expressions: Expression[]): NftCommand => ({
    ...{ command: 'rule.add', family: 'ip', table: 't', chain: 'c', expressions },
  });
  const dynset = (within: Expression) =>
    ({
      ...{ expression: 'dynset', set: 's', operation: 'update', sourceRegister: 1 },
      expressions: [within],
    }) as Expression & Record<string, unknown>;
  /** What is planned, and what is listed of it. */
  const isThere = (planned: Expression[], listed: Record<string, unknown>[]) => {
    const nft: NftObject[] = [{ object: 'rule', family: 'ip', table: 't', chain: 'c', expressions: listed }];
    return (
      missingOperations([{ op: 'nftables.batch', netns: uuid, commands: [rule(planned)] }], inside({ nft }, uuid))
        .length === 0
    );
  };

  test.each<[string, Expression, Record<string, unknown>]>([
    [
      'its fields in another order',
      { expression: 'meta', key: 'mark', register: 1 },
      { register: 1, key: 'mark', expression: 'meta' },
    ],
    ['what was counted', { expression: 'counter' }, { expression: 'counter', packets: 7, bytes: 700n }],
    ['a number that is large', { expression: 'quota', bytes: 5 }, { expression: 'quota', bytes: 5n, consumed: 3n }],
    ['none', { expression: 'quota', bytes: 0 }, { expression: 'quota', bytes: 0n }],
    [
      'what is not so',
      { expression: 'lookup', set: 's', sourceRegister: 1, invert: false },
      { expression: 'lookup', set: 's', sourceRegister: 1 },
    ],
    [
      'the kernel’s default',
      { expression: 'limit', rate: 1, unit: 'second' },
      { expression: 'limit', rate: 1, unit: 'second', type: 'packets', burst: 5 },
    ],
    [
      'what goes to the kernel’s log, at its default level',
      { expression: 'log', prefix: 'p' },
      { expression: 'log', prefix: 'p', level: 4 },
    ],
    [
      'what goes to a listener’s log, which has no level',
      { expression: 'log', group: 2 },
      { expression: 'log', group: 2 },
    ],
    [
      'expressions within, whatever they have counted',
      dynset({ expression: 'counter' }),
      dynset({ expression: 'counter', packets: 1n, bytes: 84n }),
    ],
    [
      'words in another order',
      { expression: 'fib', result: 'type', flags: ['iif', 'daddr'], register: 1 },
      { expression: 'fib', result: 'type', flags: ['daddr', 'iif'], register: 1 },
    ],
    [
      'bytes',
      { expression: 'cmp', register: 1, operator: 'eq', data: Uint8Array.of(1, 2) },
      { expression: 'cmp', register: 1, operator: 'eq', data: Buffer.of(1, 2) },
    ],
    [
      'a verdict',
      { expression: 'immediate', verdict: { jump: 'c' } },
      { expression: 'immediate', verdict: { jump: 'c' } },
    ],
  ])('treat expressions as equal: %s', (_what, planned, listed) => {
    expect(isThere([planned], [listed])).toBe(true);
  });

  test.each<[string, Expression, Record<string, unknown>]>([
    ['another kind', { expression: 'counter' }, { expression: 'notrack' }],
    ['another number', { expression: 'quota', bytes: 5 }, { expression: 'quota', bytes: 6n }],
    ['a number in words', { expression: 'quota', bytes: 5 }, { expression: 'quota', bytes: '5' }],
    [
      'what is so',
      { expression: 'lookup', set: 's', sourceRegister: 1 },
      { expression: 'lookup', set: 's', sourceRegister: 1, invert: true },
    ],
    ['yes and one', { expression: 'quota', bytes: 1 }, { expression: 'quota', bytes: true }],
    ['another level', { expression: 'log' }, { expression: 'log', level: 7 }],
    ['a level where none is', { expression: 'log', group: 2 }, { expression: 'log', group: 2, level: 4 }],
    [
      'another expression within',
      dynset({ expression: 'counter' }),
      dynset({ expression: 'limit', rate: 1, unit: 'second', type: 'packets', burst: 5 }),
    ],
    [
      'what was said, and is the default no more',
      { expression: 'limit', rate: 1, unit: 'second', burst: 9 },
      { expression: 'limit', rate: 1, unit: 'second', type: 'packets', burst: 5 },
    ],
    [
      'a word more',
      { expression: 'fib', result: 'type', flags: ['iif'], register: 1 },
      { expression: 'fib', result: 'type', flags: ['daddr', 'iif'], register: 1 },
    ],
    [
      'a word twice',
      { expression: 'fib', result: 'type', flags: ['iif', 'iif'], register: 1 },
      { expression: 'fib', result: 'type', flags: ['daddr', 'iif'], register: 1 },
    ],
    [
      'another byte',
      { expression: 'cmp', register: 1, operator: 'eq', data: Uint8Array.of(1, 2) },
      { expression: 'cmp', register: 1, operator: 'eq', data: Buffer.of(1, 3) },
    ],
    [
      'a byte more',
      { expression: 'cmp', register: 1, operator: 'eq', data: Uint8Array.of(1, 2) },
      { expression: 'cmp', register: 1, operator: 'eq', data: Buffer.of(1, 2, 0) },
    ],
    [
      'another verdict',
      { expression: 'immediate', verdict: { jump: 'c' } },
      { expression: 'immediate', verdict: { goto: 'c' } },
    ],
  ])('treat expressions as different: %s', (_what, planned, listed) => {
    expect(isThere([planned], [listed])).toBe(false);
  });

  test('compare expressions in order, without additional ones', () => {
    const [one, other]: [Expression, Expression] = [{ expression: 'counter' }, { expression: 'notrack' }];
    expect(isThere([one, other], [{ ...one }, { ...other }])).toBe(true);
    expect(isThere([one, other], [{ ...other }, { ...one }])).toBe(false);
    expect(isThere([one], [{ ...one }, { ...other }])).toBe(false);
    expect(isThere([one, other], [{ ...one }])).toBe(false);
  });

  test('compare rules in the order of their chain, whatever rules of other chains are between', () => {
    const [last, ...others] = listed.filter(({ object }) => object === 'rule').reverse();
    const rest = listed.filter(({ object }) => object !== 'rule');
    const rules = [...others.reverse(), last as NftObject];
    expect(left([...rest, ...rules])).toEqual([]);
    const forward = rules.filter(({ chain }) => chain === 'forward');
    const beside = rules.filter(({ chain }) => chain !== 'forward');
    expect(left([...forward, ...rest, ...beside])).toEqual([]);
    expect(left([...rest, ...beside, ...forward.reverse()])).not.toEqual([]);
  });

  test('treat a chain without policy as one with `accept`', () => {
    const edited = (policy: string) =>
      listed.map((each) =>
        each.object === 'chain' && each.name === 'srcnat'
          ? { ...each, hook: { ...(each.hook as object), policy } }
          : each,
      );
    expect(left(edited('accept'))).toEqual([]);
    expect(left(edited('drop'))).not.toEqual([]);
  });

  test.each([
    ['everything is missing', () => []],
    ['a rule is missing', () => listed.filter((each) => each.comment !== 'ping')],
    ['a set is missing', () => listed.filter((each) => each.name !== 'routed')],
    [
      'there is another rule',
      () => [...listed, { object: 'rule' as const, family: 'ip', table: 'vethwork', chain: 'forward' }],
    ],
  ])('replace the table in one batch with its elements if %s', (_what, there) => {
    const batch = left(there());
    expect(batch.slice(0, 2).map(({ command }) => command)).toEqual(['table.add', 'table.delete']);
    expect(batch.slice(2)).toEqual(commands);
  });
});

function link7(): Link {
  const [only] = present.links.values();
  return only as Link;
}
