import { droppingChains, hasBridgeNetfilter, sysctl } from '../doctor/firewall.js';
import { KernelError, NotFoundError, ValidationError } from '../errors.js';
import type { Address } from '../kernel/address.js';
import type { Kernel } from '../kernel/kernel.js';
import type { Link } from '../kernel/link/index.js';
import type { NamespaceRef } from '../kernel/namespace.js';
import type { Underlay } from '../plan/desired.js';
import { CHECKSUM_TARGET } from '../plan/dhcp-checksums.js';
import { foreignObjects } from '../plan/foreign.js';
import { isVethworkLink } from '../plan/names.js';

/** Overhead of VXLAN in bytes (RFC 7348): Ethernet 14, IPv4 20 or IPv6 40, UDP 8, VXLAN 8. */
const VXLAN_OVERHEAD = { inet: 50, inet6: 70 };
/** Upper limit of the MTU of egress links: larger packets are not supported by most networks outside. */
const MAX_EGRESS_MTU = 1500;

/** The detected properties of the host that vethwork does not set. */
export interface DetectedHost {
  /** The NICs with their present names, which may differ from those in the settings. */
  egress: Nic;
  mesh: Nic;
  /** Subnets of the addresses of the host, without those of links that vethwork created. */
  subnets: Subnet[];
  underlay: Underlay;
  /** Names of the links on which nftables sees packets of the mesh: the mesh NIC, and its master (VRF, bridge). */
  meshInputs: readonly string[];
  /** MTU of networks: that of the mesh NIC less the overhead of VXLAN. */
  mtu: number;
  egressMtu: number;
  /** Bridged frames pass iptables (`net.bridge.bridge-nf-call-iptables`). */
  bridgeNetfilter: boolean;
  /** The kernel has IPv6. */
  ipv6: boolean;
  /** The kernel has the xtables target CHECKSUM. */
  fillChecksums: boolean;
}

/** A NIC of the host. */
export interface Nic {
  name: string;
  index: number;
  /** MAC address. */
  address: string | undefined;
}

/** A subnet of the host. */
export interface Subnet {
  /** Address of the host with its prefix length. */
  address: string;
  /** Name of the link. */
  device: string;
}

/**
 * Detects the properties of the host.
 * @param options.egressBridge index of the egress bridge, which vethwork created; its address need not be looked at
 * @param options.keepsSubnets the known subnets are not read again: that takes longer with each link
 * @param known result of an earlier call: a NIC that has been renamed is found by its index and MAC
 * @throws NotFoundError if a NIC does not exist, ValidationError if vethwork created it
 */
export async function detectHost(
  kernel: Kernel,
  netns: NamespaceRef | undefined,
  {
    egressNic,
    meshNic,
    meshAddress,
    egressBridge,
    keepsSubnets = false,
  }: {
    egressNic: string;
    meshNic: string;
    meshAddress?: string | undefined;
    egressBridge?: number;
    keepsSubnets?: boolean;
  },
  known?: DetectedHost,
): Promise<DetectedHost> {
  const kept = keepsSubnets ? known : undefined;
  const [egress, mesh, found, bridgeNetfilter, ipv6, fillChecksums] = await Promise.all([
    findNic(kernel, netns, egressNic, known?.egress),
    findNic(kernel, netns, meshNic, known?.mesh),
    kept === undefined ? kernel.query('address.list', { netns }) : addressesOf(kernel, netns, kept.mesh.index),
    hasBridgeNetfilter(kernel, netns),
    // The kernel does not lose it. Reading a sysctl takes longer with each namespace.
    known?.ipv6 || hasIpv6(kernel, netns),
    known?.fillChecksums ?? hasTarget(kernel, netns),
  ]);
  // The NIC was replaced.
  const isOther = kept !== undefined && kept.mesh.index !== mesh.index;
  const addresses = isOther ? await addressesOf(kernel, netns, mesh.index) : found;
  for (const [field, nic] of [
    ['egressNic', egress],
    ['meshNic', mesh],
  ] as const) {
    if (isVethworkLink(nic)) throw new ValidationError(field, nic.name, 'a NIC that vethwork did not create');
  }
  const own = addresses.filter(({ index }) => index === mesh.index).map(({ address }) => address.split('/')[0] ?? '');
  if (meshAddress !== undefined && !own.includes(meshAddress)) {
    throw new NotFoundError(`address of ${meshNic}`, meshAddress);
  }
  const vtep = meshAddress ?? own.find((address) => !address.includes(':'));
  const master = mesh.master && (await kernel.query('link.get', { netns, link: { index: mesh.master } }));
  return {
    egress: nic(egress),
    mesh: nic(mesh),
    subnets: kept?.subnets ?? (await hostSubnets(kernel, netns, addresses, { links: [egress, mesh], egressBridge })),
    meshInputs: [mesh.name, ...(master ? [master.name] : [])],
    underlay: { index: mesh.index, address: vtep },
    mtu: mesh.mtu - (vtep?.includes(':') ? VXLAN_OVERHEAD.inet6 : VXLAN_OVERHEAD.inet),
    egressMtu: Math.min(egress.mtu, MAX_EGRESS_MTU),
    bridgeNetfilter,
    ipv6,
    fillChecksums,
  };
}

async function hasIpv6(kernel: Kernel, netns: NamespaceRef | undefined): Promise<boolean> {
  return (await sysctl(kernel, netns, 'ipv6/conf/all/disable_ipv6')) !== undefined;
}

/** Returns the addresses of a link; none if it does not exist. */
async function addressesOf(kernel: Kernel, netns: NamespaceRef | undefined, index: number): Promise<Address[]> {
  try {
    return await kernel.query('address.list', { netns, index });
  } catch (error) {
    if (isLinkMissing(error)) return [];
    throw error;
  }
}

function hasTarget(kernel: Kernel, netns: NamespaceRef | undefined): Promise<boolean> {
  return kernel.query('nftables.target', { netns, name: CHECKSUM_TARGET }).then(
    () => true,
    (error) => {
      if (error instanceof KernelError) return false;
      throw error;
    },
  );
}

const nic = ({ name, index, address }: Link): Nic => ({ name, index, address });

async function findNic(
  kernel: Kernel,
  netns: NamespaceRef | undefined,
  name: string,
  known: Nic | undefined,
): Promise<Link> {
  try {
    // The kernel also finds a link by its alternative names (IFLA_PROP_LIST).
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
  { links, egressBridge }: { links: readonly Link[]; egressBridge: number | undefined },
): Promise<Subnet[]> {
  const candidates = addresses.filter(
    ({ address, index }) => index !== egressBridge && !address.includes(':') && !/\/(0|32)$|^127\./.test(address),
  );
  const subnets = await Promise.all(
    candidates.map(async ({ address, index }) => {
      const known = links.find((each) => each.index === index);
      const link = known ?? (await kernel.query('link.get', { netns, link: { index } }).catch(() => undefined));
      return link === undefined || isVethworkLink(link) ? [] : [{ address, device: link.name }];
    }),
  );
  return subnets.flat();
}

/** Returns texts about settings of other software that are likely to disturb the networks. */
export async function detectConflicts(kernel: Kernel, netns: NamespaceRef | undefined): Promise<string[]> {
  const tables = await kernel.query('nftables.list', { netns, table: 'vethwork', elements: false });
  const foreign = foreignObjects(tables).map((each) => `${each} is not of vethwork: it is left alone`);
  return [...foreign, ...(await detectBridgeDrop(kernel, netns))];
}

async function detectBridgeDrop(kernel: Kernel, netns: NamespaceRef | undefined): Promise<string[]> {
  if (!(await hasBridgeNetfilter(kernel, netns))) return [];
  return (await droppingChains(kernel, netns)).map(
    ({ family, table, name }) =>
      `bridged frames pass iptables, and the chain ${name} of the table ${family} ${table} drops by default: ` +
      'traffic within networks may be lost (the option disableBridgeNetfilter prevents it)',
  );
}

/** Returns a link of the host by name, as `ip link show`. @throws NotFoundError */
export async function findLink(kernel: Kernel, netns: NamespaceRef | undefined, name: string): Promise<Link> {
  try {
    return await kernel.query('link.get', { netns, link: { name } });
  } catch (error) {
    if (isLinkMissing(error)) throw new NotFoundError('network interface', name);
    throw error;
  }
}

/** True if the error means that a link does not exist. */
export const isLinkMissing = (error: unknown): boolean => error instanceof KernelError && error.code === 'ENODEV';
