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

/** What came of applying the desired state of a network. */
export interface Outcome {
  /** Something of the network is on this node. */
  present: boolean;
  /** What could not be applied, by resource. */
  problems: Record<string, Problem>;
  /** Some interface waits for the router to serve it. */
  waits: boolean;
}

/** What was last applied of a network, as far as this process knows: the kernel is not read for that again. */
interface LastApplied {
  /** Fingerprints of resources, by id. */
  resources: Map<string, string>;
  /** Resources that were removed. */
  removed: Set<string>;
  /** Resources that cannot be created here, because links of others have their indexes: nothing of them is to be removed. */
  displaced: Set<string>;
  mesh: Neighbour[] | undefined;
}

/** Applies the desired state of networks to this node, and remembers what it has applied. One call at a time for each network. */
export class NetworkReconciler {
  readonly #context: ClusterContext;
  readonly #applied = new Map<string, LastApplied>();

  constructor(context: ClusterContext) {
    this.#context = context;
  }

  /**
   * Applies what has changed. What could not be applied is told by resource, and does not keep the rest from being applied.
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
        // Nothing is certain any more.
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
    // The others need the network.
    if (problems[base.id] === undefined) {
      for (const resource of others) {
        if (!waiting.has(resource.id)) await attempt(resource.id, () => this.#create(resource, applied));
      }
    }
    return { present: true, problems, waits: waiting.size > 0 };
  }

  /** Removes all that this node has of a network. What does not exist is no error. */
  async remove(network: NetworkRecord, members: readonly InterfaceRecord[]): Promise<void> {
    const { host, kernel, localNode } = this.#context;
    const { displaced, removed } = this.#lastApplied(network.uuid);
    const known = resourcesOf(localNode, { network, members: [...members] });
    const routed = Object.keys(network.routed).flatMap((address) => routedResource(localNode, network, address) ?? []);
    const resources = (known.length > 0 ? known : [networkResource(localNode, network), ...routed]).filter(
      ({ id }) => !displaced.has(id) && !removed.has(id),
    );
    if (!isRouter(localNode)) {
      // A network that was made again under the same UUID has other links.
      const links = await kernel.query('link.list', { netns: host.netns });
      const own = new Set([network.vxlan, network.bridge.index]);
      const exists = links.some(({ index, group }) => own.has(index) && group !== DELETION_GROUP);
      if (!exists) return this.forget(network.uuid);
    }
    const errors = await removeResources(this.#context, network, { resources, members: [] });
    this.forget(network.uuid);
    throwFirst(errors);
  }

  /** Forgets what was last applied of a network: the kernel is read again. */
  forget(uuid: string): void {
    this.#applied.delete(uuid);
  }

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

  /** Removes what is being deleted of a network that stays. */
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
        const gone = kind === 'interface' ? members.filter(({ uuid }) => uuid === resource.interface) : [];
        throwFirst(await removeResources(this.#context, network, { resources: [resource], members: gone }));
        removed.add(id);
        resources.delete(id);
      });
    }
  }

  /** New interfaces here that the router does not serve yet: an instance asks for its address as soon as its link is up. */
  #waitingForRouter({ members, versions }: NetworkState, progress: number): Set<string> {
    const { node, localNode } = this.#context;
    if (isRouter(localNode)) return new Set();
    const waiting = members.filter(
      (member) => member.node === node && member.state === 'initial' && (versions?.get(member.uuid) ?? 0) > progress,
    );
    return new Set(waiting.map(({ uuid }) => resourceId.interface(uuid)));
  }

  async #create(resource: Resource, { resources, displaced }: LastApplied): Promise<void> {
    const { id, fingerprint, state } = resource;
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

  /** Without reading the kernel. False if some of it exists. @throws LinkIndexTakenError if a link there is somebody else's */
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

  /** Removes a VXLAN link whose address or port has changed, which the kernel does not change on a link that exists. */
  async #recreateChangedVtep(
    network: NetworkRecord,
    { id, fingerprint }: Resource,
    applied: LastApplied,
  ): Promise<void> {
    if (applied.resources.get(id) === fingerprint) return;
    const { kernel, host, detected, reaper } = this.#context;
    const links = await kernel.query('link.list', { netns: host.netns });
    const link = links.find(({ index, group }) => index === network.vxlan && group !== DELETION_GROUP);
    const data = link?.data as { local?: string; port?: number; link?: number } | undefined;
    if (link === undefined || data === undefined) return;
    const { address, index } = detected.underlay;
    if (data.local === address && data.port === host.vxlanPort && (data.link ?? index) === index) return;
    applied.mesh = undefined;
    throwFirst(await teardown(this.#context, takeOutOfService(host.netns, network.vxlan)));
    // Its index is free only when it is deleted.
    await reaper.sweep();
  }

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

  /** Forwarding and neighbour entries of the host. */
  async #neighbours(): Promise<Neighbour[]> {
    const { kernel, host } = this.#context;
    const { netns } = host;
    const [forwarding, neighbours] = await Promise.all([
      kernel.query('neighbour.list', { netns, family: 'bridge' }),
      kernel.query('neighbour.list', { netns, family: 'inet' }),
    ]);
    return [...forwarding, ...neighbours];
  }

  /** Has dnsmasq serve the network's interfaces, before these are connected. */
  async #serve(network: NetworkRecord, { resources }: LastApplied): Promise<void> {
    const { dhcp, localNode } = this.#context;
    if (!isRouter(localNode)) return;
    if (resources.has('dnsmasq')) return dhcp.update(network);
    await dhcp.start(network);
    resources.set('dnsmasq', '');
  }
}

export function problemOf(error: unknown): Problem {
  const { code, message } = error as { code?: unknown; message?: string };
  return {
    ...{ code: typeof code === 'string' ? code : 'ERROR', message: message ?? String(error) },
    ...(error instanceof LinkIndexTakenError && { takenIndexes: error.takenIndexes }),
  };
}
