import { ConflictError, NotFoundError } from '../errors.js';
import { asCall } from '../host/context.js';
import { removeInterface } from '../operations/detach.js';
import { removePool } from '../operations/prepare.js';
import { removeBinding } from '../operations/unbind.js';
import { readPools } from '../records/pools.js';
import { type InterfaceRecord, keys } from '../records/records.js';
import { transact } from '../store/transaction.js';
import { clusterKeys } from './keys.js';
import { membersIn } from './membership.js';
import { forgetNetworkNode, networkNodesIn, networksOn } from './network-nodes.js';
import type { ClusterContext, NodeRecord } from './types.js';

/**
 * Removes a node from the cluster that is gone for good: other nodes do not send to its VTEP any more. If its agent starts
 * again, it joins as a new node, and removes what the node still has of its former interfaces.
 * @param options.detach detach the interfaces of the node as well
 * @throws NotFoundError, ConflictError for the only network node, a member, a node with networks, or a node with interfaces
 *   unless `detach` is set
 */
export function removeNode(context: ClusterContext, name: string, { detach }: { detach: boolean }): Promise<void> {
  return asCall(context, async () => {
    const { store } = context;
    const known = await store.get<NodeRecord>(clusterKeys.knownNode(name));
    if (known === undefined) throw new NotFoundError('node', name);
    const networkNodes = networkNodesIn(store).map((node) => node.name);
    if (networkNodes.length === 1 && networkNodes[0] === name) {
      throw new ConflictError(`node ${name} is the network node of the cluster`);
    }
    requireGone(context, name);
    const interfaces = (await store.list<InterfaceRecord>(keys.interfaces)).filter(({ value }) => value.node === name);
    const pools = (await readPools(context)).filter(({ node }) => node === name);
    if (interfaces.length + pools.length > 0 && !detach) {
      const what = `${interfaces.length} interfaces and ${pools.length} pools`;
      throw new ConflictError(`${what} are on node ${name}: remove them first, or with the node`);
    }
    const networks = networksOn(store, name);
    if (networks.length > 0) {
      throw new ConflictError(
        `${networks.length} networks are on node ${name}: move them first, with force if its machine is off`,
      );
    }
    for (const pool of pools) await removePool(context, pool);
    for (const { value } of interfaces) await removeInterface(context, value.uuid, { haloMs: 0 });
    await abortMigrations(context, name);
    await transact(store, async (transaction) => {
      await transaction.get(clusterKeys.knownNode(name));
      requireGone(context, name);
      transaction.delete(clusterKeys.knownNode(name));
      if (networkNodes.includes(name)) await forgetNetworkNode(transaction, name);
    });
  });
}

/** Removes the bindings on a node: it was the target of migrations, or their source. */
async function abortMigrations(context: ClusterContext, name: string): Promise<void> {
  for (const { value } of await context.store.list<InterfaceRecord>(keys.interfaces)) {
    const { uuid, migration } = value;
    if (migration?.node === name) await removeBinding(context, uuid, { id: migration.id });
  }
}

function requireGone({ store }: ClusterContext, name: string): void {
  if (!membersIn(store).some((member) => member.name === name)) return;
  throw new ConflictError(`node ${name} is a member: tear it down there, or end its agent and wait for its lease`);
}
