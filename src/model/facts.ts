import { droppingChains, hasBridgeNetfilter } from '../doctor/firewall.js';
import { KernelError, NotFoundError } from '../errors.js';
import type { Kernel } from '../kernel/kernel.js';
import type { Link } from '../kernel/link/index.js';
import type { NamespaceRef } from '../kernel/namespace.js';
import type { Underlay } from '../plan/desired.js';

/** What VXLAN adds to a frame: Ethernet 14, IPv4 20 or IPv6 40, UDP 8, VXLAN 8. */
const VXLAN_OVERHEAD = { inet: 50, inet6: 70 };
/** The egress side is the outside world's: no larger than it takes everywhere. */
const MAX_EGRESS_MTU = 1500;

/** What the host is like, other than by our doing. */
export interface Facts {
  underlay: Underlay;
  /** Names of the interfaces that packets of the mesh are received as: its NIC, and the master (VRF, bridge) that has it. */
  meshInputs: readonly string[];
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
  { egressNic, meshNic, underlayAddress }: { egressNic: string; meshNic: string; underlayAddress?: string | undefined },
): Promise<Facts> {
  const [egress, mesh, addresses, bridgeNetfilter] = await Promise.all([
    findLink(kernel, netns, egressNic),
    findLink(kernel, netns, meshNic),
    kernel.query('address.list', { netns }),
    hasBridgeNetfilter(kernel, netns),
  ]);
  const own = addresses.filter(({ index }) => index === mesh.index).map(({ address }) => address.split('/')[0] ?? '');
  if (underlayAddress !== undefined && !own.includes(underlayAddress)) {
    throw new NotFoundError(`address of ${meshNic}`, underlayAddress);
  }
  const vtep = underlayAddress ?? own.find((address) => !address.includes(':'));
  const master = mesh.master && (await kernel.query('link.get', { netns, link: { index: mesh.master } }));
  return {
    meshInputs: [mesh.name, ...(master ? [master.name] : [])],
    underlay: { index: mesh.index, address: vtep },
    mtu: mesh.mtu - (vtep?.includes(':') ? VXLAN_OVERHEAD.inet6 : VXLAN_OVERHEAD.inet),
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
