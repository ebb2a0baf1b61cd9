import { type DesiredState, deletingResources, desiredState, resourcesOf } from '../desired/desired-state.js';
import { isActiveRouter, isRouter } from '../desired/local-node.js';
import type { NetworkState } from '../desired/network-state.js';
import {
  floatingResource,
  networkResource,
  type Resource,
  resourceId,
  routedResource,
  routerResource,
} from '../desired/resources.js';
import { KernelError, LinkIndexTakenError } from '../errors.js';
import { applyMissing, removeResources } from '../host/apply.js';
import { teardown } from '../host/context.js';
import { Observer } from '../kernel/ensure/observer.js';
import type { Link } from '../kernel/link/index.js';
import type { Neighbour } from '../kernel/neighbour.js';
import type { Operation } from '../kernel/operation.js';
import { LANE } from '../operations/claim.js';
import { takeOutOfService } from '../plan/deletion.js';
import { DELETION_GROUP } from '../plan/group.js';
import { type DesiredMesh, meshChanges, meshEntries, planMeshPort } from '../plan/mesh.js';
import { type InterfaceRecord, keys, type NetworkRecord } from '../records/records.js';
import { throwFirst } from '../util/errors.js';
import { identifyBindings } from './identify-bindings.js';
import { hasOwnLinks } from './own-links.js';
import { type AppliedPorts, followMigrations, settlePorts } from './ports.js';
import { findLinkByIndex, RunObserver } from './run-observer.js';
import { countMoved } from './switch.js';
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
  ports: AppliedPorts['ports'];
}

/**
 * Applies the desired state of networks to this node, and keeps the last applied state. The caller serialises calls for
 * one network.
 */
export class NetworkReconciler {
  readonly #context: ClusterContext;
  readonly #applied = new Map<string, LastApplied>();
  /** The kernel as it was at the start. It serves the first run of each network. */
  #snapshot: Observer | undefined;
  /** Networks that have had their first run since the start. */
  readonly #begun = new Set<string>();

  constructor(context: ClusterContext) {
    this.#context = context;
  }

  /**
   * Applies the resources that have changed. An error of one resource does not prevent the others.
   * @param progress store revision up to which the router has applied the network
   */
  async apply(recorded: NetworkState, progress: number): Promise<Outcome> {
    const { network } = recorded;
    const { state, refused } = await identifyBindings(this.#context, recorded);
    const applied = this.#lastApplied(network.uuid);
    const observer = this.#observerOf(network.uuid);
    const problems: Record<string, Problem> = {};
    const attempt = async (id: string, work: () => Promise<unknown>) => {
      try {
        await work();
      } catch (error) {
        problems[id] = problemOf(error);
        // The kernel may differ from the last applied state: read it again next time.
        applied.resources.clear();
        applied.mesh = undefined;
        applied.ports = undefined;
      }
    };
    for (const [id, error] of refused) problems[id] = problemOf(error);
    const desired = desiredState(this.#context.localNode, state);
    if (desired !== undefined) await this.#switch(state, desired, applied, observer, attempt);
    // Counters are not worth a failure.
    await countMoved(this.#context, state.members).catch(() => undefined);
    await this.#removeDeleting(state, applied, attempt);
    if (desired === undefined) {
      if (applied.displaced.has(resourceId.network)) this.forget(network.uuid);
      else await attempt(resourceId.network, () => this.remove(network, state.members));
      return { present: false, problems, waits: false };
    }
    const [base, ...others] = desired.resources as [Resource, ...Resource[]];
    const waiting = this.#waitingForRouter(state, progress);
    await attempt(base.id, async () => {
      if (await this.#removeChangedVtep(network, base, applied, observer)) observer.renew();
      const isNew = await this.#create(base, applied, observer);
      const { mesh } = desired;
      const connected = mesh && this.#connect(mesh, applied, isNew ? undefined : observer);
      await allOrFirstError([connected, this.#serve(network, applied)]);
    });
    // The other resources depend on the network.
    if (problems[base.id] === undefined) {
      for (const resource of others) {
        if (!waiting.has(resource.id) && !refused.has(resource.id))
          await attempt(resource.id, () => this.#create(resource, applied, observer));
      }
    }
    if (problems[base.id] === undefined) await attempt(base.id, () => settlePorts(this.#context, state, applied));
    // Rulesets are large.
    this.#snapshot?.forgetAllButLinks(network.uuid);
    return { present: true, problems, waits: waiting.size > 0 };
  }

  /** True if a resource was applied, and no error has occurred since. */
  hasApplied(network: string, resource: string): boolean {
    return this.#applied.get(network)?.resources.has(resource) === true;
  }

  /** Removes all resources of a network from this node. Objects that do not exist are not errors. */
  async remove(network: NetworkRecord, members: readonly InterfaceRecord[]): Promise<void> {
    const { localNode } = this.#context;
    const { displaced, removed } = this.#lastApplied(network.uuid);
    const known = resourcesOf(localNode, { network, members: [...members] });
    const routed = Object.keys(network.routed).flatMap((address) => routedResource(localNode, network, address) ?? []);
    const resources = (known.length > 0 ? known : [networkResource(localNode, network), ...routed]).filter(
      ({ id }) => !displaced.has(id) && !removed.has(id),
    );
    if (!isRouter(localNode, network)) {
      // A later network with the same UUID has other links, which must stay.
      const own = await Promise.all([network.vxlan, network.bridge.index].map((index) => this.#link(index)));
      if (own.every((link) => link === undefined)) return this.forget(network.uuid);
    }
    const errors = await removeResources(this.#context, network, { resources, members: [] });
    this.forget(network.uuid);
    throwFirst(errors);
  }

  /**
   * Removes the namespace of a network that this node does not route any more, and what belongs to it: dnsmasq, floating
   * and routed addresses. Local interfaces and the overlay bridge stay.
   */
  async leave({ network, members }: NetworkState): Promise<void> {
    const context = this.#context;
    const { localNode, node, reaper } = context;
    const { displaced } = this.#lastApplied(network.uuid);
    const { standby: _, ...rest } = network;
    const former: NetworkRecord = { ...rest, router: node };
    const known = [
      routerResource(localNode, former),
      ...members.map((member) => floatingResource(localNode, former, member)),
      ...Object.keys(former.routed).map((address) => routedResource(localNode, former, address)),
    ].filter((resource) => resource !== undefined);
    const resources = known.filter(({ id }) => !displaced.has(id));
    const errors = await removeResources(context, former, { resources, members: [] });
    this.forget(network.uuid);
    // The network may return, with the same link indexes.
    await reaper.sweep();
    throwFirst(errors);
  }

  /** Deletes the last applied state of a network, so that the kernel is read again. */
  forget(uuid: string): void {
    this.#applied.delete(uuid);
  }

  /**
   * As `forget`, for all networks. The kernel is read once for the next run of all networks; later runs read the objects
   * of their network only.
   */
  forgetAll(): void {
    this.#applied.clear();
    this.#begun.clear();
    this.#snapshot = new Observer(this.#context.kernel);
  }

  /** Drops what was read for the first runs. To be called when all networks have been applied once. */
  endStart(): void {
    this.#snapshot = undefined;
    this.#begun.clear();
  }

  /** Returns what one run reads the kernel with. */
  #observerOf(uuid: string): RunObserver {
    const isFirst = this.#snapshot !== undefined && !this.#begun.has(uuid);
    if (this.#snapshot !== undefined) this.#begun.add(uuid);
    return new RunObserver(this.#context.kernel, isFirst ? this.#snapshot : undefined);
  }

  /** Reads a link of the host, unless it is marked for deletion. */
  async #link(index: number): Promise<Link | undefined> {
    const { kernel, host } = this.#context;
    const link = await findLinkByIndex(kernel, host.netns, index);
    return link?.group === DELETION_GROUP ? undefined : link;
  }

  #lastApplied(uuid: string): LastApplied {
    const applied = this.#applied.get(uuid) ?? {
      resources: new Map(),
      removed: new Set(),
      displaced: new Set(),
      mesh: undefined,
      ports: undefined,
    };
    this.#applied.set(uuid, applied);
    return applied;
  }

  /** Applies what the migration of an interface changes, before all other work: instances wait for it. */
  async #switch(
    { network, members, ...state }: NetworkState,
    { resources, mesh }: DesiredState,
    applied: LastApplied,
    observer: RunObserver,
    attempt: (id: string, work: () => Promise<unknown>) => Promise<void>,
  ): Promise<void> {
    if (!network.hasSlots || !applied.resources.has(resourceId.network)) return;
    const slots = resources.find(({ kind }) => kind === 'slots');
    if (slots !== undefined) await attempt(slots.id, () => this.#create(slots, applied, observer));
    await attempt(resourceId.network, () => followMigrations(this.#context, { network, members, ...state }, applied));
    const isMoved = members.some(({ migration }) => migration?.isSource);
    if (isMoved && mesh !== undefined && applied.mesh !== undefined)
      await attempt(resourceId.network, () => this.#connect(mesh, applied, observer));
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
   * soon as its link is up. None if the network has no DHCP.
   */
  #waitingForRouter({ network, members, versions }: NetworkState, progress: number): Set<string> {
    const { node, localNode } = this.#context;
    if (isActiveRouter(localNode, network) || !network.provideDhcp) return new Set();
    const waiting = members.filter(
      (member) => member.node === node && member.state === 'initial' && (versions?.get(member.uuid) ?? 0) > progress,
    );
    return new Set(waiting.map(({ uuid }) => resourceId.interface(uuid)));
  }

  /**
   * Creates a resource unless its fingerprint is the last applied one. Resolves to true if nothing of it existed before.
   */
  async #create(resource: Resource, { resources, displaced }: LastApplied, observer: RunObserver): Promise<boolean> {
    const { id, state } = resource;
    const fingerprint = resource.fingerprint();
    if (resources.get(id) === fingerprint) return false;
    if (resource.port !== undefined && resources.get(id) === resource.port.opposite) {
      if (await this.#setPort(resource)) resources.set(id, fingerprint);
      return false;
    }
    displaced.delete(id);
    const plan = resource.plan();
    let isNew = false;
    try {
      const isUnknown = !resources.has(id);
      const mayBeNew = isUnknown && (state === 'initial' || !(await this.#exists(resource, observer)));
      isNew = mayBeNew && (await this.#createNew(plan));
      if (!isNew) await this.#addMissing(resource, plan, observer);
    } catch (error) {
      if (error instanceof LinkIndexTakenError) displaced.add(id);
      throw error;
    }
    resources.set(id, fingerprint);
    return isNew;
  }

  async #addMissing(resource: Resource, plan: readonly Operation[], observer: RunObserver): Promise<void> {
    const { kernel, locks, store } = this.#context;
    const add = () => applyMissing(kernel, plan, observer.full);
    // All networks share the table of slots.
    await (resource.kind === 'slots' ? locks.exclusive(resource.kind, add) : add());
    // An element that is too many is not missing, and a slot may have been claimed since its record was read.
    const { port, interface: uuid = '' } = resource;
    const isClaimed = store.peek<InterfaceRecord>(keys.interface(uuid))?.value.slot?.isFree === false;
    if (port !== undefined && isClaimed) throwFirst(await kernel.teardown([port.open], { lane: LANE }));
  }

  /**
   * Opens or closes the port of a slot as its record says. False if the record has changed since: the change is enqueued.
   * The record is read in the same turn: calls of this process change ports as well, in the same lane.
   */
  async #setPort({ port, interface: uuid = '' }: Resource): Promise<boolean> {
    const { kernel, store } = this.#context;
    const now = store.peek<InterfaceRecord>(keys.interface(uuid))?.value;
    if (port === undefined || now?.slot?.isFree !== port.isClosed || now.state === 'deleting') return false;
    throwFirst(await kernel.teardown([port.set], { lane: LANE }));
    return true;
  }

  /** True unless it is certain that no link of a resource exists. */
  async #exists({ links }: Resource, observer: RunObserver): Promise<boolean> {
    if (links.length === 0) return true;
    const { host } = this.#context;
    const there = await Promise.all(links.map((index) => observer.link(host.netns, index)));
    return there.some((link) => link !== undefined);
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

  /**
   * Removes a VXLAN link whose address or port has changed. The kernel cannot change these on an existing link. Resolves
   * to true if a link was removed.
   */
  async #removeChangedVtep(
    network: NetworkRecord,
    resource: Resource,
    applied: LastApplied,
    observer: RunObserver,
  ): Promise<boolean> {
    if (applied.resources.get(resource.id) === resource.fingerprint()) return false;
    const { host, detected, reaper } = this.#context;
    const link = await observer.link(host.netns, network.vxlan);
    const data = link?.data as { local?: string; port?: number; link?: number } | undefined;
    if (link === undefined || link.group === DELETION_GROUP || data === undefined) return false;
    const { address, index } = detected.underlay;
    if (data.local === address && data.port === host.vxlanPort && (data.link ?? index) === index) return false;
    applied.mesh = undefined;
    throwFirst(await teardown(this.#context, takeOutOfService(host.netns, network.vxlan)));
    // The index is free only after the deletion.
    await reaper.sweep();
    return true;
  }

  /**
   * Applies forwarding and neighbour entries for other nodes.
   * @param observer undefined if the links are new: they have no entries then
   */
  async #connect(mesh: DesiredMesh, applied: LastApplied, observer: RunObserver | undefined): Promise<void> {
    const { kernel, host } = this.#context;
    const { netns } = host;
    let there = applied.mesh;
    if (there === undefined) {
      const port = planMeshPort(netns, mesh);
      if (observer === undefined) await kernel.transaction(port);
      else await applyMissing(kernel, port, observer.full);
      there = observer === undefined ? [] : [...(await observer.full.neighbours(netns))];
    }
    const changes = meshChanges(netns, mesh, there);
    const deletions = changes.filter(({ op }) => op === 'neighbour.delete');
    const additions = changes.filter(({ op }) => op === 'neighbour.add');
    if (deletions.length > 0) await kernel.teardown(deletions);
    if (additions.length > 0) await kernel.transaction(additions);
    applied.mesh = meshEntries(mesh);
  }

  /** Starts or updates dnsmasq before interfaces are connected. */
  async #serve(network: NetworkRecord, { resources }: LastApplied): Promise<void> {
    const { dhcp, localNode } = this.#context;
    if (!isRouter(localNode, network)) return;
    if (resources.has('dnsmasq')) return dhcp.update(network);
    await dhcp.start(network);
    resources.set('dnsmasq', '');
  }
}

/** Waits for all promises, then throws the first error. */
async function allOrFirstError(promises: readonly (Promise<void> | undefined)[]): Promise<void> {
  const results = await Promise.allSettled(promises);
  throwFirst(results.flatMap((result) => (result.status === 'rejected' ? [result.reason as Error] : [])));
}

/** Converts an error to a form that the store can hold. */
export function problemOf(error: unknown): Problem {
  const { code, message } = error as { code?: unknown; message?: string };
  return {
    ...{ code: typeof code === 'string' ? code : 'ERROR', message: message ?? String(error) },
    ...(error instanceof LinkIndexTakenError && { takenIndexes: error.takenIndexes }),
  };
}
