import { createHash } from 'node:crypto';
import { addressFromNumber, addressToHex } from '../ipam/address.js';

/** Names of links. All fit into the kernel's 15 bytes. */

const hex = (number: number, digits: number) => number.toString(16).padStart(digits, '0');

/** Prefix of the egress bridge. */
export const EGRESS_BRIDGE_PREFIX = 'egr-br-';
const NIC_BYTES = 15 - EGRESS_BRIDGE_PREFIX.length;

/**
 * Name of the egress bridge: `egr-br-<egress nic>`. A NIC name of more than 8 bytes is replaced by its first three
 * letters and a hash, so that NICs with a common prefix get different bridges.
 */
export function egressBridgeName(nic: string): string {
  if (Buffer.byteLength(nic) <= NIC_BYTES) return EGRESS_BRIDGE_PREFIX + nic;
  const start = nic.replace(/[^a-zA-Z0-9]/g, '').slice(0, 3);
  const hash = createHash('sha256').update(nic).digest('hex');
  return EGRESS_BRIDGE_PREFIX + start + hash.slice(0, NIC_BYTES - start.length);
}

/**
 * Names of a network's links, derived from the VNI. Links `…-o` are on the host, links `…-i` in the network's
 * namespace.
 */
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

/** Names of the pair of a floating IP. */
export function floatingNames(address: string) {
  const id = addressToHex(address);
  return { outer: `flt-${id}-o`, inner: `flt-${id}-i` } as const;
}

/** Prefix of overlay bridges. No other link has it. */
export const OVERLAY_BRIDGE_PREFIX = 'br-vxlan-';

/** Prefix of the pairs of floating IPs. */
export const FLOATING_PREFIX = 'flt-';

/** Name of the host's end of a container's veth. */
export const containerLinkName = (index: number) => `vnet-${hex(index, 8)}`;

/** Name of the tap of a slot. */
export const slotTapName = (index: number) => `vslot-${hex(index, 8)}`;

/** Prefix of the namespaces of slots under /run/netns; a UUID follows. */
const SLOT_NAMESPACE_PREFIX = 'vslot-';

/** Name of the namespace of a slot. */
export const slotNamespaceName = (uuid: string) => SLOT_NAMESPACE_PREFIX + uuid;

/** True for the name of a namespace of a slot. */
export const isSlotNamespaceName = (name: string) => /^vslot-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(name);

/** Name of a link that is out of service. Its own name is free at once. */
export const outOfServiceName = (index: number) => `dead${hex(index, 8)}`;

/** Facts in an alias, which outlive the state folder. */
export type AliasFacts = Readonly<Record<string, string | number | undefined>>;

/** Longest alias in bytes (IFALIASZ, without the final zero byte). */
const ALIAS_BYTES = 255;

/**
 * Alias of every link of a network, as `ip link` shows it: `vethwork <uuid> interface=<uuid> order=1`. It identifies
 * orphans. Facts that do not fit are omitted.
 */
export function networkAlias(uuid: string, facts: AliasFacts = {}): string {
  let alias = `${HOST_ALIAS} ${uuid}`;
  for (const [name, value] of Object.entries(facts)) {
    if (value === undefined) continue;
    // Through a buffer, because `encodeURIComponent` rejects lone surrogates.
    const text = encodeURIComponent(Buffer.from(String(value)).toString()).replaceAll('%3A', ':');
    const longer = `${alias} ${name}=${text}`;
    if (longer.length <= ALIAS_BYTES) alias = longer;
  }
  return alias;
}

/** Facts in the alias of a link of a network. */
export function factsOfAlias(alias: string | undefined): AliasFacts {
  const [, , ...facts] = isNetworkAlias(alias) ? (alias ?? '').split(' ') : [];
  return Object.fromEntries(
    facts.flatMap((fact) => {
      const [name = '', value = ''] = fact.split('=');
      try {
        return [[name, decodeURIComponent(value)]];
      } catch {
        return [];
      }
    }),
  );
}

/** Alias of the egress bridge, without the state folder. */
const HOST_ALIAS = 'vethwork';

/** Alias of the egress bridge: `vethwork:<state folder>`. Too long a path is omitted. */
export function hostAlias(stateDir?: string): string {
  const alias = `${HOST_ALIAS}:${stateDir}`;
  return stateDir !== undefined && Buffer.byteLength(alias) <= ALIAS_BYTES ? alias : HOST_ALIAS;
}

/** True for the alias of an egress bridge. */
export const isHostAlias = (alias: string | undefined) =>
  alias === HOST_ALIAS || (alias?.startsWith(`${HOST_ALIAS}:/`) ?? false);

/** State folder in the alias of an egress bridge. */
export const stateDirOfAlias = (alias: string | undefined): string | undefined =>
  alias?.startsWith(`${HOST_ALIAS}:/`) ? alias.slice(HOST_ALIAS.length + 1) : undefined;

/** True for the alias of a link of any network. */
export const isNetworkAlias = (alias: string | undefined) => alias?.startsWith(`${HOST_ALIAS} `) ?? false;

/** UUID of the network of an alias. */
export const networkOfAlias = (alias: string | undefined) => (isNetworkAlias(alias) ? alias?.split(' ')[1] : undefined);

const LINK_NAMES =
  /^(egr-br-.+|br-vxlan-[0-9a-f]{6}|vxlan-[0-9a-f]{6}|(veth|egr)-[0-9a-f]{6}-[oi]|flt-[0-9a-f]{8}-[oi]|(vnet|vslot)-[0-9a-f]{8})$/;

/** True for a name with a prefix of vethwork. Such a name could conflict with a link that is created later. */
export const isReservedName = (name: string) => /^((br-)?vxlan|veth|egr|flt|vnet|vslot)-|^dead[0-9a-f]+$/.test(name);

/** True for a name of the form that links of networks have, whoever created the link. */
export const isNetworkLinkName = (name: string) => LINK_NAMES.test(name);

/** True for a link of vethwork, by alias or by name. Nobody else may use it. */
export const isVethworkLink = ({ name, alias }: { name: string; alias?: string }) =>
  isHostAlias(alias) || isNetworkAlias(alias) || isNetworkLinkName(name) || /^dead[0-9a-f]{8}$/.test(name);

/** VNI of the network with an overlay bridge of this name. */
export function vniOfBridgeName(name: string): number | undefined {
  const id = /^br-vxlan-([0-9a-f]{6})$/.exec(name)?.[1];
  return id === undefined ? undefined : Number.parseInt(id, 16);
}

/** Floating address of the host's end of a pair with this name. */
export function addressOfFloatingName(name: string): string | undefined {
  const id = /^flt-([0-9a-f]{8})-o$/.exec(name)?.[1];
  return id === undefined ? undefined : addressFromNumber(Number.parseInt(id, 16));
}

/** VNI of the network whose namespace has a link of this name. */
export function vniOfInnerName(name: string): number | undefined {
  const id = /^(?:veth|egr)-([0-9a-f]{6})-i$/.exec(name)?.[1];
  return id === undefined ? undefined : Number.parseInt(id, 16);
}
