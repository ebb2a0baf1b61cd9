import { deletingResources, desiredState, resourcesOf } from '../desired/desired-state.js';
import { isRouter } from '../desired/local-node.js';
import type { NetworkState } from '../desired/network-state.js';
import { networkResource, type Resource, resourceId, routedResource } from '../desired/resources.js';
import { KernelError, LinkIndexTakenError } from '../errors.js';
import { applyMissing, removeResources } from '../host/apply.js';
import { teardown } from '../host/context.js';
import type { Neighbour } from '../kernel/neighbour.js';
import type { Operation } from '../kernel/operation.js';
import { takeOutOfService } from '../plan/deletion.js';
import { DELETION_GROUP } from '../plan/group.js';
import { type DesiredMesh, meshChanges, meshEntries, planMeshPort } from '../plan/mesh.js';
import type { InterfaceRecord, NetworkRecord } from '../records/records.js';
import { throwFirst } from '../util/errors.js';
import { hasOwnLinks } from './own-links.js';
import type { ClusterContext, Problem } from './types.js';

/** Result of applying the desired state of a network. */
export interface Outcome {
  /** Objects of the network are on this node. */
  present: boolean;
  /** Errors by resource id. */
  problems: Record<string, Problem>;
  /** An interface waits for the router to apply it first. */
  waits: boolean;
}

/** The last applied state of a network. The kernel is not read again for resources with the same fingerprint. */
interface LastApplied {
  /** Fingerprints of resources, by id. */
  resources: Map<string, string>;
  /** Ids of the resources that were removed. */
  removed: Set<string>;
  /** Ids of the resources that cannot be created because foreign links have their indexes. They must not be removed. */
  displaced: Set<string>;
  /** Forwarding and neighbour entries for other nodes. */
  mesh: Neighbour[] | undefined;
}

/**
 * Applies the desired state of networks to this node, and keeps the last applied state. The caller serialises calls for
 * one network.
 */
export class NetworkReconciler {
  readonly #context: ClusterContext;
  readonly #applied = new Map<string, LastApplied>();

  constructor(context: ClusterContext) {
    this.#context = context;
  }

  /**
   * Applies the resources that have changed. An error of one resource does not prevent the others.
   * @param progress store revision up to which the router has applied the network
   */
  async apply(state: NetworkState, progress: number): Promise<Outcome> {
    const { network } = state;
    const applied = this.#lastApplied(network.uuid);
    const problems: Record<string, Problem> = {};
    const attempt = async (id: string, work: () => Promise<unknown>) => {
      try {
        await work();
      } catch (error) {
        problems[id] = problemOf(error);
        // The kernel may differ from the last applied state: read it again next time.
        applied.resources.clear();
        applied.mesh = undefined;
      }
    };
    await this.#removeDeleting(state, applied, attempt);
    const desired = desiredState(this.#context.localNode, state);
    if (desired === undefined) {
      if (applied.displaced.has(resourceId.network)) this.forget(network.uuid);
      else await attempt(resourceId.network, () => this.remove(network, state.members));
      return { present: false, problems, waits: false };
    }
    const [base, ...others] = desired.resources as [Resource, ...Resource[]];
    const waiting = this.#waitingForRouter(state, progress);
    await attempt(base.id, async () => {
      await this.#recreateChangedVtep(network, base, applied);
      await this.#create(base, applied);
      if (desired.mesh !== undefined) await this.#connect(desired.mesh, applied);
      await this.#serve(network, applied);
    });
    // The other resources depend on the network.
    if (problems[base.id] === undefined) {
      for (const resource of others) {
        if (!waiting.has(resource.id)) await attempt(resource.id, () => this.#create(resource, applied));
      }
    }
    return { present: true, problems, waits: waiting.size > 0 };
  }

  /** Removes all resources of a network from this node. Objects that do not exist are not errors. */
  async remove(network: NetworkRecord, members: readonly InterfaceRecord[]): Promise<void> {
    const { host, kernel, localNode } = this.#context;
    const { displaced, removed } = this.#lastApplied(network.uuid);
    const known = resourcesOf(localNode, { network, members: [...members] });
    const routed = Object.keys(network.routed).flatMap((address) => routedResource(localNode, network, address) ?? []);
    const resources = (known.length > 0 ? known : [networkResource(localNode, network), ...routed]).filter(
      ({ id }) => !displaced.has(id) && !removed.has(id),
    );
    if (!isRouter(localNode)) {
      // A later network with the same UUID has other links, which must stay.
      const links = await kernel.query('link.list', { netns: host.netns });
      const own = new Set([network.vxlan, network.bridge.index]);
      const exists = links.some(({ index, group }) => own.has(index) && group !== DELETION_GROUP);
      if (!exists) return this.forget(network.uuid);
    }
    const errors = await removeResources(this.#context, network, { resources, members: [] });
    this.forget(network.uuid);
    throwFirst(errors);
  }

  /** Deletes the last applied state of a network, so that the kernel is read again. */
  forget(uuid: string): void {
    this.#applied.delete(uuid);
  }

  /** As `forget`, for all networks. */
  forgetAll(): void {
    this.#applied.clear();
  }

  #lastApplied(uuid: string): LastApplied {
    const applied = this.#applied.get(uuid) ?? {
      resources: new Map(),
      removed: new Set(),
      displaced: new Set(),
      mesh: undefined,
    };
    this.#applied.set(uuid, applied);
    return applied;
  }

  /** Removes the resources in the state `deleting`, without the network itself. */
  async #removeDeleting(
    state: NetworkState,
    { removed, displaced, resources }: LastApplied,
    attempt: (id: string, work: () => Promise<unknown>) => Promise<void>,
  ): Promise<void> {
    const { localNode } = this.#context;
    const { network, members } = state;
    for (const { id, state: lifecycle } of resourcesOf(localNode, state)) {
      if (lifecycle !== 'deleting') removed.delete(id);
    }
    for (const resource of deletingResources(localNode, state)) {
      const { id, kind } = resource;
      if (removed.has(id) || displaced.has(id)) continue;
      await attempt(id, async () => {
        const removedMembers = kind === 'interface' ? members.filter(({ uuid }) => uuid === resource.interface) : [];
        throwFirst(await removeResources(this.#context, network, { resources: [resource], members: removedMembers }));
        removed.add(id);
        resources.delete(id);
      });
    }
  }

  /**
   * Returns the new interfaces of this node that dnsmasq does not serve yet: an instance may send a DHCP request as
   * soon as its link is up.
   */
  #waitingForRouter({ members, versions }: NetworkState, progress: number): Set<string> {
    const { node, localNode } = this.#context;
    if (isRouter(localNode)) return new Set();
    const waiting = members.filter(
      (member) => member.node === node && member.state === 'initial' && (versions?.get(member.uuid) ?? 0) > progress,
    );
    return new Set(waiting.map(({ uuid }) => resourceId.interface(uuid)));
  }

  /** Creates a resource unless its fingerprint is the last applied one. */
  async #create(resource: Resource, { resources, displaced }: LastApplied): Promise<void> {
    const { id, state } = resource;
    const fingerprint = resource.fingerprint();
    if (resources.get(id) === fingerprint) return;
    displaced.delete(id);
    const plan = resource.plan();
    try {
      const isCreated = state === 'initial' && !resources.has(id) && (await this.#createNew(plan));
      if (!isCreated) await applyMissing(this.#context.kernel, plan);
    } catch (error) {
      if (error instanceof LinkIndexTakenError) displaced.add(id);
      throw error;
    }
    resources.set(id, fingerprint);
  }

  /**
   * Runs a plan without reading the kernel first. False if an object exists.
   * @throws LinkIndexTakenError if a foreign link has an index
   */
  async #createNew(plan: readonly Operation[]): Promise<boolean> {
    const { kernel } = this.#context;
    try {
      await kernel.transaction(plan);
      return true;
    } catch (error) {
      if (error instanceof LinkIndexTakenError && !(await hasOwnLinks(kernel, plan, error.takenIndexes))) throw error;
      if (error instanceof KernelError && error.code === 'EEXIST') return false;
      throw error;
    }
  }

  /** Removes a VXLAN link whose address or port has changed. The kernel cannot change these on an existing link. */
  async #recreateChangedVtep(network: NetworkRecord, resource: Resource, applied: LastApplied): Promise<void> {
    if (applied.resources.get(resource.id) === resource.fingerprint()) return;
    const { kernel, host, detected, reaper } = this.#context;
    const links = await kernel.query('link.list', { netns: host.netns });
    const link = links.find(({ index, group }) => index === network.vxlan && group !== DELETION_GROUP);
    const data = link?.data as { local?: string; port?: number; link?: number } | undefined;
    if (link === undefined || data === undefined) return;
    const { address, index } = detected.underlay;
    if (data.local === address && data.port === host.vxlanPort && (data.link ?? index) === index) return;
    applied.mesh = undefined;
    throwFirst(await teardown(this.#context, takeOutOfService(host.netns, network.vxlan)));
    // The index is free only after the deletion.
    await reaper.sweep();
  }

  /** Applies forwarding and neighbour entries for other nodes. */
  async #connect(mesh: DesiredMesh, applied: LastApplied): Promise<void> {
    const { kernel, host } = this.#context;
    if (applied.mesh === undefined) await kernel.ensure(planMeshPort(host.netns, mesh));
    const changes = meshChanges(host.netns, mesh, applied.mesh ?? (await this.#neighbours()));
    if (changes.length > 0) {
      await kernel.teardown(changes.filter(({ op }) => op === 'neighbour.delete'));
      await kernel.transaction(changes.filter(({ op }) => op === 'neighbour.add'));
    }
    applied.mesh = meshEntries(mesh);
  }

  /** Returns the forwarding and neighbour entries of the host, as `bridge fdb` and `ip neighbour`. */
  async #neighbours(): Promise<Neighbour[]> {
    const { kernel, host } = this.#context;
    const { netns } = host;
    const [forwarding, neighbours] = await Promise.all([
      kernel.query('neighbour.list', { netns, family: 'bridge' }),
      kernel.query('neighbour.list', { netns, family: 'inet' }),
    ]);
    return [...forwarding, ...neighbours];
  }

  /** Starts or updates dnsmasq before interfaces are connected. */
  async #serve(network: NetworkRecord, { resources }: LastApplied): Promise<void> {
    const { dhcp, localNode } = this.#context;
    if (!isRouter(localNode)) return;
    if (resources.has('dnsmasq')) return dhcp.update(network);
    await dhcp.start(network);
    resources.set('dnsmasq', '');
  }
}

/** Converts an error to a form that the store can hold. */
export function problemOf(error: unknown): Problem {
  const { code, message } = error as { code?: unknown; message?: string };
  return {
    ...{ code: typeof code === 'string' ? code : 'ERROR', message: message ?? String(error) },
    ...(error instanceof LinkIndexTakenError && { takenIndexes: error.takenIndexes }),
  };
}
