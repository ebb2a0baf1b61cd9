import { expect, test } from 'vitest';
import type { Actual, ActualNamespace } from '../../../src/kernel/ensure/actual.js';
import { missingOperations } from '../../../src/kernel/ensure/missing.js';
import type { Operation } from '../../../src/kernel/operation.js';
import { extraneousOperations } from '../../../src/plan/extraneous.js';

/*
 * The namespace of the host has the objects of all networks. A comparison of one network must not look at those of the
 * others, or a reconciliation of n networks takes n² steps.
 */

const COUNT = 500;
const address = (network: number) => `10.9.${network >> 8}.${network & 255}`;

/** The plan of a network in the namespace of the host. */
const planOf = (network: number): Operation[] => [
  { op: 'link.add', netns: undefined, link: { kind: 'bridge', name: `b${network}`, index: 100 + network } },
  { op: 'address.add', netns: undefined, address: { index: 100 + network, address: `${address(network)}/32` } },
  { op: 'route.add', netns: undefined, route: { destination: `${address(network)}/32`, index: 100 + network } },
  { op: 'neighbour.add', netns: undefined, neighbour: { index: 5, destination: address(network), state: 'permanent' } },
  {
    op: 'nftables.batch',
    netns: undefined,
    commands: [
      {
        ...{ command: 'element.add', family: 'inet', table: 'vethwork_mesh', set: 'vnis', keyType: 'mark' },
        elements: [{ key: network }],
      },
    ],
  },
];

/** The host with the objects of all networks; counts the objects that are looked at. */
function crowd(): { actual: Actual; looks: () => number } {
  let looks = 0;
  const counted = <Item extends object>(item: Item): Item =>
    new Proxy(item, {
      get: (target, key) => {
        looks++;
        return Reflect.get(target, key);
      },
    });
  const numbers = Array.from({ length: COUNT }, (_, network) => network);
  const there: ActualNamespace = {
    links: new Map(
      numbers.map((network) => [
        100 + network,
        counted({
          ...{ index: 100 + network, name: `b${network}`, kind: 'bridge' },
          ...{ type: 1, flags: 0, up: true, mtu: 1500, group: 0 },
        }),
      ]),
    ),
    addresses: numbers.map((network) => counted({ index: 100 + network, address: `${address(network)}/32` })),
    routes: numbers.map((network) => counted({ destination: `${address(network)}/32`, index: 100 + network })),
    rules: [],
    neighbours: numbers.map((network) =>
      counted({ index: 5, destination: address(network), family: 'inet', state: 'permanent' } as const),
    ),
    nft: numbers.map((network) =>
      counted({ object: 'element', family: 'inet', table: 'vethwork_mesh', set: 'vnis', key: network } as const),
    ),
    sysctls: new Map(),
  };
  return { actual: new Map([[undefined, there]]), looks: () => looks };
}

test('a network is compared with its own objects, however many others there are', () => {
  const { actual, looks } = crowd();
  const compare = (network: number) => [
    ...missingOperations(planOf(network), actual),
    ...extraneousOperations(planOf(network), 'uuid', undefined, actual),
  ];
  // The first comparison builds the indexes.
  expect(compare(0)).toEqual([]);
  const first = looks();
  for (let network = 1; network < COUNT; network++) expect(compare(network)).toEqual([]);
  expect((looks() - first) / (COUNT - 1)).toBeLessThan(100);
  // Positive control: what is missing is found, and so is what is too much.
  expect(compare(COUNT).map(({ op }) => op)).toEqual(planOf(COUNT).map(({ op }) => op));
  const without = planOf(7).filter(({ op }) => op !== 'address.add' && op !== 'route.add');
  expect(extraneousOperations(without, 'uuid', undefined, actual).map(({ op }) => op)).toEqual([
    'address.delete',
    'route.delete',
  ]);
});
