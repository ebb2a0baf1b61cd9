import type { Operation } from '../kernel/operation.js';
import type { DesiredHost, Underlay } from '../plan/desired.js';
import { planFloatingIp } from '../plan/floating-ip.js';
import { deviceName, planInterface } from '../plan/interface.js';
import { planNetwork } from '../plan/network.js';
import { planRoutedIp } from '../plan/routed-ip.js';
import { desiredFloating, type InterfaceRecord, type NetworkRecord } from './records.js';

/** A network with its interfaces, as recorded at one moment. */
export interface Scope {
  network: NetworkRecord;
  members: InterfaceRecord[];
}

/** A plan, and what it is about, in words. */
export interface Wish {
  what: string;
  /** UUID of the interface that it is about, where it is about one. */
  interface?: string;
  plan: Operation[];
}

/** How reports call a network. */
export const networkTitle = ({ name, uuid }: NetworkRecord) => `network ${name} (${uuid})`;

/** How reports call an interface. */
export const interfaceTitle = (network: NetworkRecord, { attachment }: InterfaceRecord) =>
  `${networkTitle(network)}, ${deviceName(attachment)}`;

/**
 * Everything that a network is to have in the kernel. The network with all its addresses is one plan, since its ruleset
 * is one table; each interface is one of its own. What is not completely made, or is being removed, is left out.
 */
export function wishesOf(host: DesiredHost, underlay: Underlay, { network, members }: Scope): Wish[] {
  const live = members.filter(({ state }) => state === 'created');
  const floating = live.flatMap((member) => {
    const wish = member.floating?.state === 'created' ? desiredFloating(member) : undefined;
    return wish === undefined ? [] : planFloatingIp(host, network, wish);
  });
  const routed = Object.entries(network.routed)
    .filter(([, { state }]) => state === 'created')
    .flatMap(([address]) => planRoutedIp(host, network, address));
  return [
    { what: networkTitle(network), plan: [...planNetwork(host, underlay, network), ...floating, ...routed] },
    ...live.map((member) => ({
      what: interfaceTitle(network, member),
      interface: member.uuid,
      plan: planInterface(host, network, member),
    })),
  ];
}
