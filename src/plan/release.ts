import type { Operation } from '../kernel/operation.js';
import type { DesiredHost, DesiredInterface, DesiredNetwork } from './desired.js';
import { resetDhcpRate } from './guard.js';
import { deviceName } from './interface.js';
import { closePort } from './slots.js';

/**
 * Plans the release of a slot that stays: its port is closed first, then what the kernel knows of its user is deleted.
 * Its link, its elements of the guard, its forwarding entry and its neighbour entry stay, because it keeps its address.
 * The guard has let only its own MAC pass, so the bridge has learned no other.
 */
export const planRelease = (host: DesiredHost, network: DesiredNetwork, nic: DesiredInterface): Operation[] => [
  closePort(host, deviceName(nic.attachment)),
  ...resetDhcpRate(host, deviceName(nic.attachment), nic),
  { op: 'conntrack.delete', netns: network.uuid, filter: { address: nic.address } },
];
