import { randomBytes } from 'node:crypto';
import { KernelError } from '../errors.js';
import { match, type NftCommand, nftTable, statement } from '../kernel/nftables/index.js';
import type { Operation } from '../kernel/operation.js';
import type { Check, Finding } from './finding.js';

type Plan = (netns: string) => Operation[];

const batch = (netns: string, ...commands: NftCommand[]): Operation => ({ op: 'nftables.batch', netns, commands });

const table = nftTable('ip', 'doctor');
const bridgeTable = nftTable('bridge', 'doctor');

/** The kernel features that networks need, with their modules. */
const FEATURES: readonly (readonly [what: string, module: string, plan: Plan])[] = [
  ['bridges', 'bridge', (netns) => [{ op: 'link.add', netns, link: { kind: 'bridge', name: 'bridge' } }]],
  [
    'VXLAN',
    'vxlan',
    (netns) => [{ op: 'link.add', netns, link: { kind: 'vxlan', name: 'vxlan', data: { id: 1, port: 4789 } } }],
  ],
  [
    'veth pairs',
    'veth',
    (netns) => [{ op: 'link.add', netns, link: { kind: 'veth', name: 'one', data: { peer: { name: 'two' } } } }],
  ],
  [
    'address translation by nftables',
    'nft_chain_nat, nft_masq',
    (netns) => [
      batch(
        netns,
        table.add(),
        ...table.chain('nat', { type: 'nat', hook: 'postrouting', priority: 100 }, { nat: [statement.masquerade()] }),
      ),
    ],
  ],
  [
    'connection tracking by nftables',
    'nft_ct',
    (netns) => [
      batch(
        netns,
        table.add(),
        ...table.chain(
          'state',
          { type: 'filter', hook: 'forward', priority: 0 },
          { state: [match.state('established'), statement.accept()] },
        ),
      ),
    ],
  ],
  [
    'packet and connection limits by nftables',
    'nft_limit, nft_connlimit',
    (netns) => [
      batch(
        netns,
        table.add(),
        ...table.chain(
          'limits',
          { type: 'filter', hook: 'input', priority: 0 },
          { limits: [statement.limit(1, 1), statement.connections(1), statement.accept()] },
        ),
      ),
    ],
  ],
  [
    'nftables on bridges',
    'nf_tables, nft_meta_bridge',
    (netns) => [
      batch(
        netns,
        bridgeTable.add(),
        ...bridgeTable.chain(
          'guard',
          { type: 'filter', hook: 'prerouting', priority: -300 },
          { guard: [match.etherType('arp'), statement.accept()] },
        ),
      ),
    ],
  ],
];

/** Tries all features in a temporary namespace. */
export const features: Check = async ({ kernel }) => {
  const netns = `vethwork-doctor-${randomBytes(4).toString('hex')}`;
  const lacking = ([what, module]: readonly [string, string, ...unknown[]], error: KernelError): Finding => ({
    severity: 'error',
    code: 'kernel-feature',
    subject: module,
    problem: `the kernel does not support ${what}: ${error.message}`,
    remedy: `load the module (${module}), or use a kernel that contains it`,
  });
  try {
    await kernel.transaction([{ op: 'namespace.add', name: netns }]);
  } catch (error) {
    if (!(error instanceof KernelError)) throw error;
    return [lacking(['network namespaces', 'CONFIG_NET_NS'], error)];
  }
  try {
    const found: Finding[] = [];
    for (const feature of FEATURES) {
      try {
        await kernel.transaction(feature[2](netns));
      } catch (error) {
        if (!(error instanceof KernelError)) throw error;
        found.push(lacking(feature, error));
      }
    }
    return found;
  } finally {
    await kernel.teardown([{ op: 'namespace.delete', name: netns }]);
  }
};
