import { droppingChains, hasBridgeNetfilter } from '../doctor/firewall.js';
import { KernelError, NotFoundError } from '../errors.js';
import type { Kernel } from '../kernel/kernel.js';
import type { Link } from '../kernel/link/index.js';
import type { NamespaceRef } from '../kernel/namespace.js';
import type { Underlay } from '../plan/desired.js';

/** What VXLAN adds to a frame over IPv4: Ethernet 14, IP 20, UDP 8, VXLAN 8. */
const VXLAN_OVERHEAD = 50;
/** The egress side is the outside world's: no larger than it takes everywhere. */
const MAX_EGRESS_MTU = 1500;

/** What the host is like, other than by our doing. */
export interface Facts {
  underlay: Underlay;
  /** MTU of the overlay. */
  mtu: number;
  egressMtu: number;
  /** Bridged frames pass iptables. */
  bridgeNetfilter: boolean;
}

/** @throws NotFoundError if the host lacks one of the NICs */
export async function lookAtHost(
  kernel: Kernel,
  netns: NamespaceRef | undefined,
  { egressNic, meshNic }: { egressNic: string; meshNic: string },
): Promise<Facts> {
  const [egress, mesh, addresses, bridgeNetfilter] = await Promise.all([
    findLink(kernel, netns, egressNic),
    findLink(kernel, netns, meshNic),
    kernel.query('address.list', { netns }),
    hasBridgeNetfilter(kernel, netns),
  ]);
  const vtep = addresses.find(({ index, address }) => index === mesh.index && !address.includes(':'));
  return {
    underlay: { index: mesh.index, address: vtep?.address.split('/')[0] },
    mtu: mesh.mtu - VXLAN_OVERHEAD,
    egressMtu: Math.min(egress.mtu, MAX_EGRESS_MTU),
    bridgeNetfilter,
  };
}

/** What others have set up that is likely to disturb the networks, in words. */
export async function lookForTrouble(kernel: Kernel, netns: NamespaceRef | undefined): Promise<string[]> {
  if (!(await hasBridgeNetfilter(kernel, netns))) return [];
  return (await droppingChains(kernel, netns)).map(
    ({ family, table, name }) =>
      `bridged frames pass iptables, and the chain ${name} of the table ${family} ${table} drops by default: ` +
      'traffic within networks may be lost (the option disableBridgeNetfilter prevents it)',
  );
}

/** A link of the host by name. @throws NotFoundError */
export async function findLink(kernel: Kernel, netns: NamespaceRef | undefined, name: string): Promise<Link> {
  try {
    return await kernel.query('link.get', { netns, link: { name } });
  } catch (error) {
    if (error instanceof KernelError && error.code === 'ENODEV') throw new NotFoundError('network interface', name);
    throw error;
  }
}
