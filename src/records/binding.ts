import { deviceName } from '../plan/interface.js';
import type { Transaction } from '../store/transaction.js';
import { releasePlace, reservePlace } from './names.js';
import { type Binding, type InterfaceRecord, keys } from './records.js';

/*
 * An interface that is moved between nodes has two bindings: the active one (`node`, `attachment`), and an inactive one
 * (`migration`). The switch exchanges them.
 */

/** Returns the nodes that have objects of an interface. */
export const nodesOf = ({ node, migration }: InterfaceRecord): string[] =>
  [node, migration?.node].filter((each) => each !== undefined);

/** True if an interface has a binding on a node. */
export const isOn = (nic: InterfaceRecord, node: string | undefined): boolean =>
  nic.node === node || (nic.migration !== undefined && nic.migration.node === node);

/** Returns the indexes of the links of an interface on a node, in the namespace of the host. */
export const linksOn = ({ node, attachment, migration }: InterfaceRecord, at: string | undefined): number[] => [
  ...(node === at ? [attachment.index] : []),
  ...(migration !== undefined && migration.node === at ? [migration.attachment.index] : []),
];

/** Returns an interface at the place of its inactive binding; undefined if it has none. */
export function inactiveOf({ migration, ...rest }: InterfaceRecord): InterfaceRecord | undefined {
  if (migration === undefined) return undefined;
  const { node, attachment } = migration;
  return { ...rest, node, attachment, binding: 'inactive' };
}

/** Returns an interface and its inactive binding, as members of a removal. */
export const bothOf = (nic: InterfaceRecord): InterfaceRecord[] => {
  const inactive = inactiveOf(nic);
  return inactive === undefined ? [nic] : [nic, inactive];
};

/** Returns an interface after the switch: the target is active, and the source is to be removed. */
export function switched(
  { node, attachment, migration, lost: _, ...rest }: InterfaceRecord & { node: string; migration: Binding },
  { carried, isUncounted = false }: { carried: InterfaceRecord['carried']; isUncounted?: boolean },
): InterfaceRecord {
  const { id, claim } = migration;
  const former = { id, node, attachment, state: 'deleting', isSource: true } as const;
  return {
    ...{ ...rest, node: migration.node, attachment: migration.attachment },
    ...(carried !== undefined && { carried }),
    migration: { ...former, ...(isUncounted && { isUncounted }), ...(claim !== undefined && { claim }) },
  };
}

/** Reserves the device and the place of an inactive binding. The caller has checked that the device is free. */
export async function reserveBinding(transaction: Transaction, nic: InterfaceRecord): Promise<void> {
  const inactive = inactiveOf(nic);
  if (inactive === undefined) return;
  await reservePlace(transaction, inactive);
  transaction.create(keys.device(deviceName(inactive.attachment), inactive.node), nic.uuid);
}

/** Releases the device and the place of an inactive binding. */
export async function releaseBinding(transaction: Transaction, nic: InterfaceRecord): Promise<void> {
  const inactive = inactiveOf(nic);
  if (inactive === undefined) return;
  await releasePlace(transaction, inactive);
  transaction.delete(keys.device(deviceName(inactive.attachment), inactive.node));
}
