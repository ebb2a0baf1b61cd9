import type { MovedNetwork } from '../api/types.js';
import { participants } from '../desired/desired-state.js';
import type { Routing } from '../desired/local-node.js';
import { resourceId } from '../desired/resources.js';
import { CapacityError, ConflictError, NotFoundError } from '../errors.js';
import { asCall } from '../host/context.js';
import type { Placement, Routers } from '../host/routers.js';
import { isInterrupted } from '../reconcile/recovery.js';
import { BRIDGE_PORTS } from '../records/capacity.js';
import { liveNetworkOf } from '../records/queries.js';
import { DEFAULT_POOL, keys, type NetworkRecord } from '../records/records.js';
import { type Transaction, transact } from '../store/transaction.js';
import { commitAt } from './commit.js';
import { EgressLoad } from './egress-load.js';
import { clusterKeys } from './keys.js';
import { membersIn } from './membership.js';
import {
  cordonNode,
  type NetworkNodeRecord,
  networkNodesIn,
  networksOn,
  notNetworkNode,
  routerIn,
} from './network-nodes.js';
import { peekState } from './records.js';
import type { ClusterContext } from './types.js';
import { waitForNodes } from './waiting.js';

/** Number of networks that `drain` moves at the same time. */
const CONCURRENT_MOVES = 4;

/** Chooses and changes the routers of networks. */
export class ClusterRouters implements Routers {
  readonly #context: () => ClusterContext;
  #load: EgressLoad | undefined;
  /** UUIDs of the networks that this process is moving. */
  readonly #moving = new Set<string>();

  constructor(context: () => ClusterContext) {
    this.#context = context;
  }

  get #counts(): EgressLoad {
    this.#load ??= new EgressLoad(this.#context().store);
    return this.#load;
  }

  /** Networks and used egress ports of a node. */
  loadOf(node: string) {
    return this.#counts.of(node);
  }

  load(network: Routing): { title: string; used: number } {
    const { store } = this.#context();
    const router = routerIn(store, network);
    const bridge = networkNodesIn(store).find(({ name }) => name === router)?.egressBridge.name;
    return { title: `${bridge} of node ${router}`, used: this.#counts.of(router).ports };
  }

  choose({ router, floatingPool, provideNat }: Parameters<Routers['choose']>[0]): Placement {
    const { store } = this.#context();
    const nodes = networkNodesIn(store);
    if (router !== undefined && !nodes.some(({ name }) => name === router)) {
      throw new NotFoundError('network node', router);
    }
    if (floatingPool !== undefined && !nodes.some((node) => node.floatingPool === floatingPool)) {
      throw new NotFoundError('floating pool', floatingPool);
    }
    const suitable = nodes.filter(
      (node) =>
        (router === undefined || node.name === router) &&
        (floatingPool === undefined
          ? router !== undefined || !provideNat || isDefault(node, nodes)
          : node.floatingPool === floatingPool),
    );
    if (suitable.length === 0)
      throw new ConflictError(`node ${router} does not serve the floating pool ${floatingPool}`);
    const open = suitable.filter(({ isCordoned }) => !isCordoned);
    if (open.length === 0) throw new ConflictError(`no network node takes networks: ${titles(suitable)} are cordoned`);
    const used = ({ name }: NetworkNodeRecord) => this.#counts.of(name).ports;
    const free = open.filter((node) => !provideNat || used(node) < BRIDGE_PORTS);
    if (free.length === 0) {
      const numbers = open.map((node) => `${node.name} ${used(node)} of ${BRIDGE_PORTS}`).join(', ');
      const text = `no network node has a free port of its egress bridge: ${numbers}`;
      throw new CapacityError(open.map(({ egressBridge }) => egressBridge.name).join(', '), BRIDGE_PORTS, text);
    }
    const members = new Set(membersIn(store).map(({ name }) => name));
    const rank = (node: NetworkNodeRecord) => [
      Number(!members.has(node.name)),
      used(node),
      this.#counts.of(node.name).networks,
    ];
    const [best] = free.sort((left, right) => compare(rank(left), rank(right)));
    const chosen = best as NetworkNodeRecord;
    return { router: chosen.name, floatingPool: chosen.floatingPool };
  }

  move(uuid: string, { to, force }: { to: string; force: boolean }): Promise<NetworkRecord> {
    const context = this.#context();
    const work = async () => {
      this.#moving.add(uuid);
      try {
        return await this.#move(uuid, to, force);
      } finally {
        this.#moving.delete(uuid);
      }
    };
    return asCall(context, () => context.locks.exclusive(uuid, work));
  }

  /**
   * Ends the preparation of moves whose processes have ended, or have failed to end it.
   * @param isLeader false: only of this process
   */
  async abandonMoves(isLeader: boolean): Promise<void> {
    const context = this.#context();
    const moving = context.store
      .peekList<NetworkRecord>(keys.networks)
      .filter(({ value }) => value.standby !== undefined);
    for (const { value } of moving) {
      const { uuid, standby } = value;
      const claim = standby?.claim;
      if (claim === undefined) continue;
      const isOurs = context.owner.isOwn(claim);
      const isOver = isOurs ? !this.#moving.has(uuid) : isLeader && isInterrupted(context, { claim }, uuid);
      if (isOver) await endMove(context, uuid, (now) => JSON.stringify(now.claim) === JSON.stringify(claim));
    }
  }

  async cordon(name: string, isCordoned: boolean): Promise<void> {
    await cordonNode(this.#context().store, name, isCordoned);
  }

  async drain(name: string): Promise<MovedNetwork[]> {
    const { store } = this.#context();
    await this.cordon(name, true);
    const queue = networksOn(store, name).filter((network) => routerIn(store, network) === name);
    const total = queue.length;
    const moved: MovedNetwork[] = [];
    const errors: unknown[] = [];
    const work = async () => {
      for (let network = queue.shift(); network !== undefined; network = queue.shift()) {
        try {
          const { egress, floatingPool = DEFAULT_POOL } = network;
          const wanted = { provideNat: egress !== undefined, ...(egress !== undefined && { floatingPool }) };
          const { router } = this.choose(wanted);
          await this.move(network.uuid, { to: router, force: false });
          moved.push({ network: network.uuid, name: network.name, from: name, to: router });
        } catch (error) {
          if (!(error instanceof NotFoundError)) errors.push(error);
        }
      }
    };
    await Promise.all(Array.from({ length: CONCURRENT_MOVES }, work));
    const [first] = errors as [Error?];
    if (first !== undefined) {
      const text = `${errors.length} of ${total} networks of node ${name} could not be moved: ${first.message}`;
      throw new ConflictError(text, { cause: first });
    }
    return moved;
  }

  /**
   * Moves a network. The new node prepares the namespace without a connection. Then the record names the new router: it
   * connects the namespace, the former router removes its own, and all nodes change their mesh entries.
   */
  async #move(uuid: string, to: string, force: boolean): Promise<NetworkRecord> {
    const context = this.#context();
    const { store, owner } = context;
    const claim = owner.claim();
    const begun = await commitAt(store, async (transaction) => {
      const network = await liveNetworkOf(transaction, uuid);
      if (routerIn(store, network) === to && network.standby === undefined) return { network, isMoving: false };
      await this.#requireMovable(transaction, network, { to, force });
      const prepared: NetworkRecord = { ...network, standby: { node: to, claim } };
      transaction.put(keys.network(uuid), prepared);
      return { network: prepared, isMoving: true };
    });
    const { network, isMoving } = begun.result;
    if (!isMoving) return network;
    const former = routerIn(store, network);
    const members = peekState(store, uuid)?.members ?? [];
    const ids = [
      resourceId.network,
      ...members.flatMap((member) => [resourceId.interface(member.uuid), resourceId.floating(member.uuid)]),
    ];
    try {
      await waitForNodes(context, {
        ...{ network: uuid, revision: begun.revision, ids },
        ...{ essential: () => [to], awaited: () => [], others: [] },
      });
      const switched = await commitAt(store, async (transaction) => {
        const { standby, ...now } = await liveNetworkOf(transaction, uuid);
        if (standby === undefined || !owner.isOwn(standby.claim)) {
          throw new ConflictError(`the move of network ${uuid} was given up by another process`);
        }
        const moved: NetworkRecord = { ...now, router: to, epoch: (now.epoch ?? 0) + 1 };
        transaction.put(keys.network(uuid), moved);
        return moved;
      });
      const live = peekState(store, uuid)?.members ?? members;
      await waitForNodes(context, {
        ...{ network: uuid, revision: switched.revision, ids },
        ...{ essential: () => [to], awaited: () => [former], others: participants(to, live) },
      });
      return switched.result;
    } catch (error) {
      await endMove(context, uuid, (standby) => owner.isOwn(standby.claim)).catch(() => undefined);
      throw error;
    }
  }

  /** @throws NotFoundError, ConflictError, CapacityError */
  async #requireMovable(
    transaction: Transaction,
    network: NetworkRecord,
    { to, force }: { to: string; force: boolean },
  ): Promise<void> {
    const { store } = this.#context();
    const members = new Set(membersIn(store).map(({ name }) => name));
    const target = await transaction.get<NetworkNodeRecord>(clusterKeys.networkNode(to));
    if (target === undefined) throw await notNetworkNode(transaction, to);
    if (!members.has(to)) throw new ConflictError(`node ${to} is gone: no agent runs there`);
    if (target.isCordoned) throw new ConflictError(`node ${to} is cordoned: it takes no networks`);
    const { uuid, name, egress, standby, floatingPool = DEFAULT_POOL } = network;
    if (standby !== undefined) throw new ConflictError(`network ${name} is being moved to node ${standby.node}`);
    if (egress !== undefined && target.floatingPool !== floatingPool) {
      throw new ConflictError(
        `network ${name} has addresses of the floating pool ${floatingPool}, but node ${to} serves ${target.floatingPool}`,
      );
    }
    const [needed, { ports: used }] = [this.#counts.portsOf(uuid), this.#counts.of(to)];
    if (needed + used > BRIDGE_PORTS) {
      const bridge = target.egressBridge.name;
      const text = `network ${name} needs ${needed} ports of ${bridge} of node ${to}, which has ${BRIDGE_PORTS - used} of ${BRIDGE_PORTS} left`;
      throw new CapacityError(bridge, BRIDGE_PORTS, text);
    }
    const from = routerIn(store, network);
    if (force && members.has(from)) {
      throw new ConflictError(`node ${from} is a member: move network ${name} without force`);
    }
    if (!force && !members.has(from)) {
      throw new ConflictError(
        `node ${from}, the router of network ${name}, is gone: confirm that its machine is off, then move with force`,
      );
    }
  }
}

const titles = (nodes: readonly NetworkNodeRecord[]) => nodes.map(({ name }) => name).join(', ');

/** True if a node serves the default pool; if no node does, true for all. */
const isDefault = ({ floatingPool }: NetworkNodeRecord, nodes: readonly NetworkNodeRecord[]) =>
  floatingPool === DEFAULT_POOL || !nodes.some((node) => node.floatingPool === DEFAULT_POOL);

/** Compares lists of numbers by their first difference. */
function compare(left: readonly number[], right: readonly number[]): number {
  const index = left.findIndex((value, at) => value !== right[at]);
  return index < 0 ? 0 : (left[index] as number) - (right[index] as number);
}

/** Ends the preparation of a move, if `isDue`. The network stays with its router. */
export function endMove(
  { store }: Pick<ClusterContext, 'store'>,
  uuid: string,
  isDue: (standby: NonNullable<NetworkRecord['standby']>) => boolean,
): Promise<void> {
  return transact(store, async (transaction) => {
    const network = await transaction.get<NetworkRecord>(keys.network(uuid));
    if (network?.standby === undefined || !isDue(network.standby)) return;
    const { standby: _, ...rest } = network;
    transaction.put(keys.network(uuid), rest);
  });
}
