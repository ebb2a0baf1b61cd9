import { droppingChains, hasBridgeNetfilter, sysctl } from '../doctor/firewall.js';
import { KernelError, NotFoundError, ValidationError } from '../errors.js';
import type { Address } from '../kernel/address.js';
import type { Kernel } from '../kernel/kernel.js';
import type { Link } from '../kernel/link/index.js';
import type { NamespaceRef } from '../kernel/namespace.js';
import type { Underlay } from '../plan/desired.js';
import { isVethworkLink } from '../plan/names.js';

/** What VXLAN adds to a frame: Ethernet 14, IPv4 20 or IPv6 40, UDP 8, VXLAN 8. */
const VXLAN_OVERHEAD = { inet: 50, inet6: 70 };
/** The egress side is the outside world's: no larger than it takes everywhere. */
const MAX_EGRESS_MTU = 1500;

/** What the host is like, other than by our doing. */
export interface DetectedHost {
  /** The NICs by the names that they have now, which may be others than those in the settings. */
  egress: Nic;
  mesh: Nic;
  /** Networks of the host's own addresses, without those of vethwork's links. */
  subnets: Subnet[];
  underlay: Underlay;
  /** Names of the interfaces that packets of the mesh are received as: its NIC, and the master (VRF, bridge) that has it. */
  meshInputs: readonly string[];
  /** MTU of the overlay. */
  mtu: number;
  egressMtu: number;
  /** Bridged frames pass iptables. */
  bridgeNetfilter: boolean;
  /** The kernel has IPv6. */
  ipv6: boolean;
}

export interface Nic {
  name: string;
  index: number;
  /** MAC. */
  address: string | undefined;
}

export interface Subnet {
  /** CIDR, with the host's own address in it. */
  address: string;
  /** Name of the link. */
  device: string;
}

/**
 * @param known what was found before: a NIC that was renamed since is found by its index and MAC
 * @throws NotFoundError if the host lacks one of the NICs, ValidationError if one is ours
 */
export async function detectHost(
  kernel: Kernel,
  netns: NamespaceRef | undefined,
  { egressNic, meshNic, underlayAddress }: { egressNic: string; meshNic: string; underlayAddress?: string | undefined },
  known?: DetectedHost,
): Promise<DetectedHost> {
  const [egress, mesh, addresses, bridgeNetfilter, disableIpv6] = await Promise.all([
    findNic(kernel, netns, egressNic, known?.egress),
    findNic(kernel, netns, meshNic, known?.mesh),
    kernel.query('address.list', { netns }),
    hasBridgeNetfilter(kernel, netns),
    sysctl(kernel, netns, 'ipv6/conf/all/disable_ipv6'),
  ]);
  for (const [field, nic] of [
    ['egressNic', egress],
    ['meshNic', mesh],
  ] as const) {
    if (isVethworkLink(nic)) throw new ValidationError(field, nic.name, 'a NIC of the host, not a link of a network');
  }
  const own = addresses.filter(({ index }) => index === mesh.index).map(({ address }) => address.split('/')[0] ?? '');
  if (underlayAddress !== undefined && !own.includes(underlayAddress)) {
    throw new NotFoundError(`address of ${meshNic}`, underlayAddress);
  }
  const vtep = underlayAddress ?? own.find((address) => !address.includes(':'));
  const master = mesh.master && (await kernel.query('link.get', { netns, link: { index: mesh.master } }));
  return {
    egress: nic(egress),
    mesh: nic(mesh),
    subnets: await hostSubnets(kernel, netns, addresses),
    meshInputs: [mesh.name, ...(master ? [master.name] : [])],
    underlay: { index: mesh.index, address: vtep },
    mtu: mesh.mtu - (vtep?.includes(':') ? VXLAN_OVERHEAD.inet6 : VXLAN_OVERHEAD.inet),
    egressMtu: Math.min(egress.mtu, MAX_EGRESS_MTU),
    bridgeNetfilter,
    ipv6: disableIpv6 !== undefined,
  };
}

const nic = ({ name, index, address }: Link): Nic => ({ name, index, address });

async function findNic(
  kernel: Kernel,
  netns: NamespaceRef | undefined,
  name: string,
  known: Nic | undefined,
): Promise<Link> {
  try {
    // The kernel finds a link by its alternative names, too.
    return await findLink(kernel, netns, name);
  } catch (error) {
    if (!(error instanceof NotFoundError) || known === undefined) throw error;
    const renamed = await kernel.query('link.get', { netns, link: { index: known.index } }).catch(() => undefined);
    if (renamed === undefined || renamed.address !== known.address) throw error;
    return renamed;
  }
}

async function hostSubnets(
  kernel: Kernel,
  netns: NamespaceRef | undefined,
  addresses: readonly Address[],
): Promise<Subnet[]> {
  const candidates = addresses.filter(({ address }) => !address.includes(':') && !/\/(0|32)$|^127\./.test(address));
  const subnets = await Promise.all(
    candidates.map(async ({ address, index }) => {
      const link = await kernel.query('link.get', { netns, link: { index } }).catch(() => undefined);
      return link === undefined || isVethworkLink(link) ? [] : [{ address, device: link.name }];
    }),
  );
  return subnets.flat();
}

/** What others have set up that is likely to disturb the networks, in words. */
export async function detectConflicts(kernel: Kernel, netns: NamespaceRef | undefined): Promise<string[]> {
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
