import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { KernelError } from '../errors.js';
import type { NamespaceRef } from '../kernel/namespace.js';
import type { ChainHook } from '../kernel/nftables/index.js';
import type { NftObject, Reader } from '../kernel/query.js';
import { BRIDGE_NETFILTER } from '../plan/host.js';
import type { Check, Finding } from './finding.js';

/** A chain of another program with the policy `drop`. */
export interface Chain {
  family: string;
  table: string;
  name: string;
}

/**
 * Chains of the forward hook with the policy `drop` (`nft list chains`). Those of vethwork have the policy `accept`.
 */
export async function droppingChains(
  kernel: Reader,
  netns: NamespaceRef | undefined,
  families: readonly string[] = ['ip', 'inet'],
): Promise<Chain[]> {
  const objects = await kernel.query('nftables.list', { netns, elements: false });
  return objects.flatMap((object) => {
    const { hook, policy } = (object.hook ?? {}) as Partial<ChainHook>;
    const drops = object.object === 'chain' && hook === 'forward' && policy === 'drop';
    return drops && families.includes(String(object.family)) ? [chainOf(object)] : [];
  });
}

const chainOf = ({ family, table, name }: NftObject): Chain => ({
  ...{ family: String(family), table: String(table), name: String(name) },
});

/** True if bridged frames pass iptables. Without the module br_netfilter, the sysctl does not exist. */
export async function hasBridgeNetfilter(kernel: Reader, netns: NamespaceRef | undefined): Promise<boolean> {
  return (await sysctl(kernel, netns, BRIDGE_NETFILTER)) === '1';
}

/** Value of a sysctl below net. Undefined if it does not exist. */
export async function sysctl(
  kernel: Reader,
  netns: NamespaceRef | undefined,
  key: string,
): Promise<string | undefined> {
  try {
    return (await kernel.query('sysctl.get', { netns, key })).trim();
  } catch (error) {
    if (error instanceof KernelError && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

const title = ({ family, table, name }: Chain) => `chain ${name} of the table ${family} ${table}`;

export const forwardDrop: Check = async ({ kernel, netns, egressNic }) => {
  const [chains, isBridged] = await Promise.all([droppingChains(kernel, netns), hasBridgeNetfilter(kernel, netns)]);
  const nic = egressNic ?? 'the egress NIC';
  return chains.flatMap((chain): Finding[] => [
    {
      severity: 'warning',
      code: 'forward-drop',
      subject: title(chain),
      problem: `the ${title(chain)} drops forwarded packets by default: networks reach the outside, and floating addresses are reachable, only if its rules accept packets between egr-br-* and ${nic}`,
      remedy: `add a rule to that table that accepts packets whose input or output interface is egr-br-*`,
    },
    ...(isBridged
      ? [
          {
            ...{ severity: 'error', code: 'bridge-netfilter', subject: `net.${BRIDGE_NETFILTER.replaceAll('/', '.')}` },
            problem: `iptables filters bridged frames (net.${BRIDGE_NETFILTER.replaceAll('/', '.')} = 1), and the ${title(chain)} drops packets by default: traffic within a network may be lost`,
            remedy: 'use the option disableBridgeNetfilter, which sets it to 0 for all bridges of the host',
          } satisfies Finding,
        ]
      : []),
  ]);
};

export const bridgeDrop: Check = async ({ kernel, netns }) =>
  (await droppingChains(kernel, netns, ['bridge'])).map((chain) => ({
    severity: 'error',
    code: 'bridge-drop',
    subject: title(chain),
    problem: `the ${title(chain)} drops bridged frames by default: traffic within a network may be lost`,
    remedy: `add a rule to that table that accepts frames of br-vxlan-* and egr-br-*`,
  }));

/** Rules of legacy iptables are not visible to nft. */
export const legacyTables: Check = async ({ netns, root }) => {
  if (netns !== undefined) return [];
  const names = await readFile(join(root, 'proc/net/ip_tables_names'), 'utf8').catch(() => '');
  const tables = names.split('\n').filter(Boolean);
  if (!tables.includes('filter')) return [];
  return [
    {
      severity: 'note',
      code: 'legacy-iptables',
      subject: `legacy iptables: ${tables.join(', ')}`,
      problem: 'iptables-legacy has rules, which may drop traffic; vethwork does not check them',
      remedy: 'check the output of iptables-legacy-save',
    },
  ];
};

/** nftables.service flushes the whole ruleset, including that of vethwork, when it is started or reloaded. */
export const rulesetFlush: Check = async ({ netns, root }) => {
  if (netns !== undefined) return [];
  const wants = join(root, 'etc/systemd/system/sysinit.target.wants/nftables.service');
  const [config, isEnabled] = await Promise.all([
    readFile(join(root, 'etc/nftables.conf'), 'utf8').catch(() => ''),
    readFile(wants).then(
      () => true,
      () => false,
    ),
  ]);
  if (!isEnabled || !/^\s*flush ruleset/m.test(config)) return [];
  return [
    {
      severity: 'warning',
      code: 'ruleset-flush',
      subject: '/etc/nftables.conf',
      problem: 'nftables.service flushes the whole ruleset when it is reloaded, including the rules of networks',
      remedy: 'change its configuration to delete and add single tables, or run watchDrift(), which repairs the rules',
    },
  ];
};
