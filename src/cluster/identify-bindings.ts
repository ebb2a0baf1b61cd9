import type { NetworkState } from '../desired/network-state.js';
import { resourceId } from '../desired/resources.js';
import { identify } from '../operations/migrate.js';
import { type Binding, type InterfaceRecord, keys } from '../records/records.js';
import { transact } from '../store/transaction.js';
import type { ClusterContext } from './types.js';

/**
 * Checks the namespaces of containers that interfaces are to be moved to: the caller of the migration may be on another
 * node. Records their identities. Resolves to the changed state, and to the errors by resource id.
 */
export async function identifyBindings(
  context: ClusterContext,
  state: NetworkState,
): Promise<{ state: NetworkState; refused: Map<string, unknown> }> {
  const refused = new Map<string, unknown>();
  const identified = async (member: InterfaceRecord): Promise<InterfaceRecord> => {
    const { migration } = member;
    if (migration === undefined || migration.node !== context.node || migration.state !== 'initial') return member;
    const { attachment } = migration;
    if (attachment.kind !== 'veth' || attachment.identity !== undefined) return member;
    try {
      const binding: Binding = { ...migration, attachment: await identify(context, attachment, member.order) };
      await record(context, member.uuid, binding);
      return { ...member, migration: binding };
    } catch (error) {
      refused.set(resourceId.binding(member.uuid), error);
      return member;
    }
  };
  if (state.members.every(({ migration }) => migration === undefined)) return { state, refused };
  return { state: { ...state, members: await Promise.all(state.members.map(identified)) }, refused };
}

/** Records the attachment of a binding that is still being prepared. */
function record({ store }: ClusterContext, uuid: string, { id, attachment }: Binding): Promise<void> {
  return transact(store, async (transaction) => {
    const nic = await transaction.get<InterfaceRecord>(keys.interface(uuid));
    if (nic?.migration?.id !== id || nic.migration.state !== 'initial') return;
    transaction.put(keys.interface(uuid), { ...nic, migration: { ...nic.migration, attachment } });
  });
}
