import type { Operation } from '../kernel/operation.js';
import type { DesiredHost, Underlay } from '../plan/desired.js';
import { planFloatingIp } from '../plan/floating-ip.js';
import { deviceName, planInterface } from '../plan/interface.js';
import { planNetwork } from '../plan/network.js';
import { planRoutedIp } from '../plan/routed-ip.js';
import { desiredFloating, type InterfaceRecord, type NetworkRecord } from '../records/records.js';

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
export function wishesOf(host: DesiredHost, underlay: Underlay, scope: Scope): Wish[] {
  const { network } = scope;
  return [
    {
      what: networkTitle(network),
      plan: [...planNetwork(host, underlay, network), ...planFloating(host, scope), ...planRouted(host, scope)],
    },
    ...interfaceWishes(host, scope),
  ];
}

export function interfaceWishes(host: DesiredHost, { network, members }: Scope): Wish[] {
  return members
    .filter((member) => isComplete(member) && member.lost === undefined)
    .map((member) => ({
      what: interfaceTitle(network, member),
      interface: member.uuid,
      plan: planInterface(host, network, member),
    }));
}

/** All that is routed into a network. */
export function planRouted(host: DesiredHost, { network }: Scope): Operation[] {
  const complete = Object.entries(network.routed).filter(([, routed]) => isComplete(routed));
  return complete.flatMap(([address]) => planRoutedIp(host, network, address));
}

function planFloating(host: DesiredHost, { network, members }: Scope): Operation[] {
  return members.filter(isComplete).flatMap((member) => {
    const wish = member.floating && isComplete(member.floating) ? desiredFloating(member) : undefined;
    return wish === undefined ? [] : planFloatingIp(host, network, wish);
  });
}

const isComplete = ({ state }: { state: string }) => state === 'created';
