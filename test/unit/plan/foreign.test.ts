import { expect, test } from 'vitest';
import type { NftCommand } from '../../../src/kernel/nftables/index.js';
import type { Operation } from '../../../src/kernel/operation.js';
import type { NftObject } from '../../../src/kernel/query.js';
import { foreignObjects, isForeign } from '../../../src/plan/foreign.js';
import { planHost } from '../../../src/plan/host.js';
import { planRuleset } from '../../../src/plan/ruleset.js';
import { host, network, networkWithoutNat } from './fixtures.js';

const services = { provideDhcp: true, provideDns: true };
const plan: Operation[] = [
  ...planHost({ ...host, outboundNat: true, meshNic: 'eth1' }, { nics: ['eth1'], vteps: ['10.0.0.1', 'fd00::1'] }),
  planRuleset({ ...host, fillChecksums: true }, { ...network, ...services }),
  planRuleset(host, { ...networkWithoutNat, ...services }),
];
const commands = plan.flatMap((operation): NftCommand[] =>
  operation.op === 'nftables.batch' ? operation.commands : [],
);

test('no object of a plan is foreign', () => {
  const objects = commands.map((command) => ({ ...command, object: command.command.split('.')[0] }) as NftObject);
  expect(new Set(objects.map(({ object }) => object))).toEqual(new Set(['table', 'set', 'chain', 'rule', 'element']));
  expect(objects.filter(isForeign)).toEqual([]);
});

test('other objects in tables of vethwork are foreign, and nothing in other tables', () => {
  const of = (table: string): NftObject[] => [
    { object: 'chain', family: 'ip', table, name: 'mine' },
    { object: 'rule', family: 'ip', table, chain: 'mine' },
    { object: 'set', family: 'ip', table, name: 'own' },
    { object: 'set', family: 'ip', table, name: '__set0' },
    { object: 'element', family: 'ip', table, set: 'own' },
  ];
  expect(of('vethwork').filter(isForeign)).toHaveLength(5);
  expect(of('filter').filter(isForeign)).toEqual([]);
  expect(foreignObjects(of('vethwork'))).toEqual([
    'the chain mine of the table ip vethwork',
    'the set own of the table ip vethwork',
  ]);
});
