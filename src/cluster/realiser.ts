import { KernelError, LinkIndexTakenError } from '../errors.js';
import { Observer } from '../kernel/ensure/observer.js';
import { outstanding } from '../kernel/ensure/outstanding.js';
import type { Neighbour } from '../kernel/neighbour.js';
import type { Operation } from '../kernel/operation.js';
import { takeAway } from '../model/context.js';
import { outside } from '../model/members.js';
import { desiredFloating, type InterfaceRecord, type NetworkRecord } from '../model/records.js';
import type { Scope } from '../model/wishes.js';
import { takeOutOfService } from '../plan/deletion.js';
import { planFloatingIpRemoval } from '../plan/floating-ip.js';
import { DELETION_GROUP } from '../plan/group.js';
import { disallowRouted } from '../plan/guard.js';
import { planInterfaceRemoval } from '../plan/interface.js';
import { type DesiredMesh, meshChanges, meshEntries, planMeshPort } from '../plan/mesh.js';
import { planNetworkRemoval, planOverlayRemoval } from '../plan/network.js';
import { planRoutedIpRemoval } from '../plan/routed-ip.js';
import { areOurs } from './displaced.js';
import { nodesIn } from './membership.js';
import { type Item, type Part, partOf } from './part.js';
import type { KnownScope } from './records.js';
import type { ClusterContext, Problem } from './types.js';

/** What came of a look at a network. */
export interface Outcome {
  present: boolean;
  problems: Record<string, Problem>;
  /** Something waits for the network node to have it first. */
  waits: boolean;
}

/** What was made of one network, as far as this process remembers: it need not look for that again. */
interface Memory {
  items: Map<string, string>;
  /** Things that have been taken away. */
  removed: Set<string>;
  /** Things that can't be made here: links of others have their indexes, and are not to be taken for them. */
  displaced: Set<string>;
  mesh: Neighbour[] | undefined;
}

/** Makes the kernel and dnsmasq of this node what records say. Of one network, one call at a time. */
export class Realiser {
  readonly #context: ClusterContext;
  readonly #memories = new Map<string, Memory>();

  constructor(context: ClusterContext) {
    this.#context = context;
  }

  /** This node's part of a network, as of now. */
  part(scope: Scope): Part | undefined {
    const { node, role, networkNode, host, facts, arpSuppression, store } = this.#context;
    const self = { node, role, networkNode, host, underlay: facts.underlay, arpSuppression };
    return partOf(self, scope, nodesIn(store));
  }

  /**
   * Does what is not done yet. What could not be done is told by item, and does not keep the rest from being done.
   * @param progress revision up to which the network node has done its part
   */
  async realise(scope: KnownScope, progress: number): Promise<Outcome> {
    const { network } = scope;
    const memory = this.#memory(network.uuid);
    const problems: Record<string, Problem> = {};
    const attempt = async (item: string, work: () => Promise<unknown>) => {
      try {
        await work();
      } catch (error) {
        problems[item] = problemOf(error);
        // Nothing is certain any more.
        memory.items.clear();
        memory.mesh = undefined;
      }
    };
    await this.#takeOut(scope, memory, attempt);
    const part = this.part(scope);
    if (part === undefined) {
      if (memory.displaced.has('network')) this.forget(network.uuid);
      else await attempt('network', () => this.remove(network, scope.members));
      return { present: false, problems, waits: false };
    }
    const [base, ...others] = part.items as [Item, ...Item[]];
    const late = this.#tooEarly(scope, progress);
    await attempt(base.id, async () => {
      await this.#moveVtep(network, base, memory);
      await this.#make(base, memory);
      await this.#connect(part.mesh, memory);
      await this.#serve(network, memory);
    });
    // Nothing else can be done before.
    if (problems[base.id] === undefined) {
      for (const item of others) {
        if (!late.has(item.id)) await attempt(item.id, () => this.#make(item, memory));
      }
    }
    return { present: true, problems, waits: late.size > 0 };
  }

  /** Removes all that this node has of a network. Nothing there is success. */
  async remove(network: NetworkRecord, members: readonly InterfaceRecord[]): Promise<void> {
    const { role, host, dhcp, kernel, node } = this.#context;
    const detach = members
      .filter((member) => member.node === node && (role === 'network' || member.state !== 'deleting'))
      .flatMap((member) => planInterfaceRemoval(host, network, member));
    const errors: Error[] = [];
    if (role === 'network') {
      await dhcp.stop(network).catch((error: Error) => errors.push(error));
      const plan = [
        ...detach,
        ...members.flatMap((member) => {
          const floating = desiredFloating(member);
          return floating ? planFloatingIpRemoval(host, network, floating) : [];
        }),
        ...Object.keys(network.routed).flatMap((address) => planRoutedIpRemoval(host, network, address)),
      ];
      errors.push(
        ...(await takeAway(this.#context, [...outside(network, plan), ...planNetworkRemoval(host, network)])),
      );
    } else {
      const links = await kernel.query('link.list', { netns: host.netns });
      const own = new Set([network.vxlan, network.bridge.index]);
      const isThere = links.some(({ index, group }) => own.has(index) && group !== DELETION_GROUP);
      const plan = [
        ...outside(network, detach),
        ...Object.keys(network.routed).map((address) => disallowRouted(host, network, address)),
        ...planOverlayRemoval(host, network),
      ];
      if (isThere) errors.push(...(await takeAway(this.#context, plan)));
    }
    this.forget(network.uuid);
    const [first] = errors;
    if (first !== undefined) throw first;
  }

  /** What is remembered of a network counts no more. */
  forget(uuid: string): void {
    this.#memories.delete(uuid);
  }

  forgetAll(): void {
    this.#memories.clear();
  }

  #memory(uuid: string): Memory {
    const memory = this.#memories.get(uuid) ?? {
      items: new Map(),
      removed: new Set(),
      displaced: new Set(),
      mesh: undefined,
    };
    this.#memories.set(uuid, memory);
    return memory;
  }

  /** Takes away what is being removed of a network that stays. */
  async #takeOut(
    { network, members }: Scope,
    { removed, displaced, items }: Memory,
    attempt: (item: string, work: () => Promise<unknown>) => Promise<void>,
  ): Promise<void> {
    const once = async (item: string, work: () => Promise<Error[]>) => {
      if (removed.has(item) || displaced.has(item)) return;
      await attempt(item, async () => {
        const [error] = await work();
        if (error !== undefined) throw error;
        removed.add(item);
        items.delete(item);
      });
    };
    const { role, host, node, dhcp } = this.#context;
    const isRouter = role === 'network';
    for (const member of members) {
      const isGoing = member.state === 'deleting';
      const floating = desiredFloating(member);
      const key = `floating/${member.uuid}`;
      const isLeaving = isGoing || member.floating?.state === 'deleting';
      if (floating === undefined || !isLeaving) removed.delete(key);
      if (isRouter && floating && isLeaving) {
        await once(key, () => takeAway(this.#context, planFloatingIpRemoval(host, network, floating)));
      }
      if (!isGoing || (member.node !== node && !isRouter)) continue;
      await once(member.uuid, async () => {
        const plan = planInterfaceRemoval(host, network, member);
        const inside = plan.filter((operation) => 'netns' in operation && operation.netns === network.uuid);
        const here = [...(member.node === node ? outside(network, plan) : []), ...(isRouter ? inside : [])];
        const errors: Error[] = await takeAway(this.#context, here);
        if (isRouter) await dhcp.release(network, member).catch((error: Error) => errors.push(error));
        return errors;
      });
    }
    for (const [address, { state }] of Object.entries(network.routed)) {
      const key = `routed/${address}`;
      if (state !== 'deleting') removed.delete(key);
      else {
        const plan = isRouter ? planRoutedIpRemoval(host, network, address) : [disallowRouted(host, network, address)];
        await once(key, () => takeAway(this.#context, plan));
      }
    }
  }

  /** New interfaces here that the network node does not serve yet: a guest that comes up asks for its address at once. */
  #tooEarly({ members, versions }: KnownScope, progress: number): Set<string> {
    const { node, role } = this.#context;
    if (role === 'network') return new Set();
    const early = members.filter(
      ({ uuid, state, node: place }) => place === node && state === 'initial' && (versions.get(uuid) ?? 0) > progress,
    );
    return new Set(early.map(({ uuid }) => uuid));
  }

  async #make({ id, plan, sign, isNew }: Item, { items, displaced }: Memory): Promise<void> {
    if (items.get(id) === sign) return;
    displaced.delete(id);
    if (!items.has(id) && isNew) {
      try {
        if (await this.#makeNew(plan)) {
          items.set(id, sign);
          return;
        }
      } catch (error) {
        if (error instanceof LinkIndexTakenError) displaced.add(id);
        throw error;
      }
    }
    const missing = outstanding(plan, await new Observer(this.#context.kernel).look(plan));
    if (missing.length > 0) await this.#context.kernel.transaction(missing);
    items.set(id, sign);
  }

  /** Without a look; false if some of it was there already. @throws LinkIndexTakenError if a link there is another's */
  async #makeNew(plan: readonly Operation[]): Promise<boolean> {
    try {
      await this.#context.kernel.transaction(plan);
      return true;
    } catch (error) {
      if (error instanceof LinkIndexTakenError && !(await areOurs(this.#context.kernel, plan, error.takenIndexes)))
        throw error;
      if (error instanceof KernelError && error.code === 'EEXIST') return false;
      throw error;
    }
  }

  /** A VXLAN link keeps the address and port that it was made with: where these change, it is made anew. */
  async #moveVtep(network: NetworkRecord, { id, sign }: Item, memory: Memory): Promise<void> {
    if (memory.items.get(id) === sign) return;
    const { kernel, host, facts, reaper } = this.#context;
    const links = await kernel.query('link.list', { netns: host.netns });
    const link = links.find(({ index, group }) => index === network.vxlan && group !== DELETION_GROUP);
    const data = link?.data as { local?: string; port?: number; link?: number } | undefined;
    if (link === undefined || data === undefined) return;
    const { address, index } = facts.underlay;
    if (data.local === address && data.port === host.vxlanPort && (data.link ?? index) === index) return;
    memory.mesh = undefined;
    const [error] = await takeAway(this.#context, takeOutOfService(host.netns, network.vxlan));
    if (error !== undefined) throw error;
    // Its index is free only when it is really gone.
    await reaper.sweep();
  }

  async #connect(mesh: DesiredMesh, memory: Memory): Promise<void> {
    const { kernel, host } = this.#context;
    if (memory.mesh === undefined) {
      const port = planMeshPort(host.netns, mesh);
      await kernel.ensure(port);
    }
    const there = memory.mesh ?? (await this.neighbours());
    const changes = meshChanges(host.netns, mesh, there);
    const wanted = meshEntries(mesh);
    if (changes.length > 0) {
      await kernel.teardown(changes.filter(({ op }) => op === 'neighbour.delete'));
      await kernel.transaction(changes.filter(({ op }) => op === 'neighbour.add'));
    }
    memory.mesh = wanted;
  }

  /** Forwarding and ARP entries of the host. */
  async neighbours(): Promise<Neighbour[]> {
    const { kernel, host } = this.#context;
    const { netns } = host;
    const [forwarding, answers] = await Promise.all([
      kernel.query('neighbour.list', { netns, family: 'bridge' }),
      kernel.query('neighbour.list', { netns, family: 'inet' }),
    ]);
    return [...forwarding, ...answers];
  }

  /** dnsmasq, before those who ask it are connected. */
  async #serve(network: NetworkRecord, { items }: Memory): Promise<void> {
    const { role, dhcp } = this.#context;
    if (role !== 'network') return;
    if (items.has('dnsmasq')) return dhcp.update(network);
    await dhcp.start(network);
    items.set('dnsmasq', '');
  }
}

export function problemOf(error: unknown): Problem {
  const { code, message } = error as { code?: unknown; message?: string };
  return {
    ...{ code: typeof code === 'string' ? code : 'ERROR', message: message ?? String(error) },
    ...(error instanceof LinkIndexTakenError && { takenIndexes: error.takenIndexes }),
  };
}
