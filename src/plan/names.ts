import { createHash } from 'node:crypto';
import { addressToHex } from '../ipam/address.js';

/** Interface names as the kernel knows them; all fit its 15 bytes. */

const hex = (number: number, digits: number) => number.toString(16).padStart(digits, '0');

/** Every host's egress bridge starts with this. */
export const EGRESS_BRIDGE_PREFIX = 'egr-br-';
const NIC_BYTES = 15 - EGRESS_BRIDGE_PREFIX.length;

/**
 * `egr-br-<egress nic>`. A NIC's name longer than 8 bytes is shortened to its first three letters and a hash of the whole,
 * so that two NICs that share their first characters have different bridges.
 */
export function egressBridgeName(nic: string): string {
  if (Buffer.byteLength(nic) <= NIC_BYTES) return EGRESS_BRIDGE_PREFIX + nic;
  const start = nic.replace(/[^a-zA-Z0-9]/g, '').slice(0, 3);
  const hash = createHash('sha256').update(nic).digest('hex');
  return EGRESS_BRIDGE_PREFIX + start + hash.slice(0, NIC_BYTES - start.length);
}

/** The links of one network, named after its VNI; `…-o` ends are the host's, `…-i` ends the namespace's. */
export function networkNames(vni: number) {
  const id = hex(vni, 6);
  return {
    vxlan: `vxlan-${id}`,
    bridge: `br-vxlan-${id}`,
    innerOuter: `veth-${id}-o`,
    innerInner: `veth-${id}-i`,
    egressOuter: `egr-${id}-o`,
    egressInner: `egr-${id}-i`,
  } as const;
}

/** The pair that carries a floating IP. */
export function floatingNames(address: string) {
  const id = addressToHex(address);
  return { outer: `flt-${id}-o`, inner: `flt-${id}-i` } as const;
}

/** Every network's overlay bridge starts with this, and nothing else on a host does. */
export const OVERLAY_BRIDGE_PREFIX = 'br-vxlan-';

/** Every floating pair's name starts with this. */
export const FLOATING_PREFIX = 'flt-';

/** Host's end of the veth of a container. */
export const containerLinkName = (index: number) => `vnet-${hex(index, 8)}`;

/** The name of a link that is out of service, until it is deleted: its own name is free at once. */
export const outOfServiceName = (index: number) => `dead${hex(index, 8)}`;

/** What `ip link` shows beside every link of a network, and how strays are recognised. */
export const networkAlias = (uuid: string) => `vethwork ${uuid}`;

/** The alias of the host's own link. */
export const HOST_ALIAS = 'vethwork';

/** True for the alias of a link of any network. */
export const isNetworkAlias = (alias: string | undefined) => alias?.startsWith(`${HOST_ALIAS} `) ?? false;

/** UUID of the network whose link has the alias. */
export const networkOfAlias = (alias: string | undefined) =>
  isNetworkAlias(alias) ? alias?.slice(HOST_ALIAS.length + 1) : undefined;

const SHAPES =
  /^(egr-br-.+|br-vxlan-[0-9a-f]{6}|vxlan-[0-9a-f]{6}|(veth|egr)-[0-9a-f]{6}-[oi]|flt-[0-9a-f]{8}-[oi]|vnet-[0-9a-f]{8})$/;

/** True for a name that begins as those of our links do: one that is given to another link may be in the way of ours. */
export const isReservedName = (name: string) => /^((br-)?vxlan|veth|egr|flt|vnet)-|^dead[0-9a-f]+$/.test(name);

/** True for a name as links of networks have it, whoever gave it. */
export const isNetworkLinkName = (name: string) => SHAPES.test(name);

/** True for a link of a network or of the host, or one whose name says so: nobody else is to use it. */
export const isVethworkLink = ({ name, alias }: { name: string; alias?: string }) =>
  alias === HOST_ALIAS || isNetworkAlias(alias) || isNetworkLinkName(name) || /^dead[0-9a-f]{8}$/.test(name);

/** The VNI of the network whose namespace has a link of this name. */
export function vniOfInnerName(name: string): number | undefined {
  const id = /^(?:veth|egr)-([0-9a-f]{6})-i$/.exec(name)?.[1];
  return id === undefined ? undefined : Number.parseInt(id, 16);
}
