import { createHash } from 'node:crypto';
import type { LocalNode } from '../desired/local-node.js';
import { isChanging, type NetworkState } from '../desired/network-state.js';
import { KernelError } from '../errors.js';
import type { Context } from '../host/context.js';
import { placeOf } from '../kernel/ensure/actual.js';
import {
  type Asked,
  askedKey,
  digestRequest,
  isBoundToDevice,
  type Observer,
  queriesOf,
} from '../kernel/ensure/observer.js';
import type { NamespaceRef } from '../kernel/namespace.js';
import type { Operation } from '../kernel/operation.js';
import type { Digest } from '../kernel/own-kernel.js';
import { containerNamespace } from '../plan/interface.js';
import { portsOf } from './host-elements.js';
import { hostGroups, tableGroup } from './host-groups.js';

/*
 * The comparison of a network's plan with the kernel is a function of the records, the properties of the host, and what
 * was read. Where it found no difference, the digests of all that are kept. The next reconciliation reads the same again,
 * and compares the digests only: nothing is planned, and the objects do not become JavaScript objects. What differs in
 * any way is compared in full. Nothing depends on events, so that changes are found whenever they were made.
 */

/** What the comparison of a network depended on, and the digest of it. */
export interface Verified {
  /** Digest of the properties of the host and of the records. */
  records: string;
  /** The queries in other namespaces than that of the host. Networks of the same kind share the lists. */
  inner: readonly { netns: NamespaceRef | undefined; asked: readonly Asked[] }[];
  host: HostPart;
  /** Digest of the answers. */
  answers: string;
}

/** The objects of a network in the namespace of the host. */
interface HostPart {
  /** Queries whose answers have objects of many networks, and others, of which the whole answer counts. */
  shared: readonly Asked[];
  own: readonly Asked[];
  /** Interface indexes of its links, those in other namespaces included. */
  links: readonly number[];
  /** Keys of a query and of a group in its answer: routes and neighbours at other links. */
  others: readonly (readonly [query: string, group: string])[];
  /** Groups of its nftables tables. */
  tables: readonly string[];
  ports: readonly string[];
}

/** Result of `VerifiedNetworks.unchanged`. */
export interface Unchanged {
  /** UUIDs of networks that need not be compared. */
  networks: ReadonlySet<string>;
  /** Interface indexes of the links of the host, and the ports that elements of nftables sets refer to, as read. */
  links: readonly number[];
  ports: readonly string[];
}

export const NONE_UNCHANGED: Unchanged = { networks: new Set(), links: [], ports: [] };

/** Number of networks that are read concurrently. */
const CONCURRENCY = 32;

const byContext = new WeakMap<Context, VerifiedNetworks>();

/** Returns the verified networks of an opened host. */
export function verifiedNetworks(context: Context): VerifiedNetworks {
  const known = byContext.get(context) ?? new VerifiedNetworks();
  byContext.set(context, known);
  return known;
}

/** Networks of a lone host whose comparison found no difference. The entries of a mesh have no digests. */
export class VerifiedNetworks {
  readonly #networks = new Map<string, Verified>();
  /** Lists of queries that networks share, by content. */
  readonly #lists = new Map<string, readonly Asked[]>();

  /**
   * Returns what is to be kept of a comparison that found no difference. Undefined if not all of it has digests.
   * @param plan complete plan of the network
   */
  digested(
    context: Context,
    state: NetworkState,
    { plan, observer, localNode }: { plan: readonly Operation[]; observer: Observer; localNode: LocalNode },
  ): Verified | undefined {
    if (context.node !== undefined || isChanging(state) || !state.members.every(isIdentified)) return undefined;
    const { netns } = context.host;
    const byPlace = new Map<NamespaceRef | undefined, Operation[]>();
    const add = (place: NamespaceRef | undefined, ...operations: Operation[]) => {
      byPlace.set(place, [...(byPlace.get(place) ?? []), ...operations]);
    };
    for (const operation of plan) if (operation.op !== 'namespace.add') add(placeOf(operation), operation);
    // Its existence counts, also if nothing is planned in it.
    for (const { attachment } of state.members) if (attachment.kind === 'veth') add(containerNamespace(attachment));
    const host = this.#hostPart(byPlace.get(netns) ?? [], state);
    byPlace.delete(netns);
    const inner = [...byPlace].map(([place, operations]) => ({ netns: place, asked: this.#innerQueries(operations) }));
    if (host === undefined) return undefined;
    const here = observer.digestsOf(netns);
    const answers = digestOfAll([
      ...inner.flatMap(({ netns: place, asked }) => {
        const read = observer.digestsOf(place);
        return asked.map((each) => read.get(askedKey(each))?.digest);
      }),
      ...hostDigests(host, here, here),
    ]);
    return answers === undefined ? undefined : { records: digestOfRecords({ localNode }, state), inner, host, answers };
  }

  keep(network: string, verified: Verified): void {
    this.#networks.set(network, verified);
  }

  /** Reads the digests again. Returns the networks of which nothing has changed since they were kept. Forgets the others. */
  async unchanged(context: Context, states: ReadonlyMap<string, NetworkState>): Promise<Unchanged> {
    for (const [uuid, { records }] of this.#networks) {
      const state = states.get(uuid);
      if (state === undefined || digestOfRecords(context, state) !== records) this.#networks.delete(uuid);
    }
    if (this.#networks.size === 0) return NONE_UNCHANGED;
    const shared = new Map(
      [...this.#networks.values()].flatMap(({ host }) => host.shared.map((asked) => [askedKey(asked), asked] as const)),
    );
    const reading = readDigests(context, context.host.netns, [...shared.values()], true);
    // It may be awaited only after another reading has failed.
    reading.catch(() => undefined);
    const remaining = [...this.#networks].values();
    const work = async () => {
      for (const [uuid, verified] of remaining) {
        if (!(await isUnchanged(context, verified, reading))) this.#networks.delete(uuid);
      }
    };
    await Promise.all(Array.from({ length: CONCURRENCY }, work));
    const { links, ports } = hostGroups(await reading);
    return { networks: new Set(this.#networks.keys()), links, ports };
  }

  #hostPart(operations: readonly Operation[], state: NetworkState): HostPart | undefined {
    const links = new Set<number>();
    const others: [string, string][] = [];
    for (const operation of operations) {
      const found = hostObjectOf(operation);
      if (found === undefined) return undefined;
      for (const index of found.links ?? []) links.add(index);
      if (found.other !== undefined) others.push(found.other);
    }
    const queries = queriesOf(operations);
    return {
      shared: this.#list(queries.filter(isShared)),
      own: this.#list(queries.filter((asked) => !isShared(asked))),
      links: [...links],
      others,
      tables: [...new Set(operations.flatMap(tablesOf))],
      ports: portsOf(state),
    };
  }

  /** The generation of a ruleset changes with every change of it, apart from elements that packets add. */
  #innerQueries(operations: readonly Operation[]): readonly Asked[] {
    const byGeneration = !isBoundToDevice(operations);
    const queries = queriesOf(operations).map(
      (asked): Asked => (asked.op === 'nftables.list' && byGeneration ? { op: 'nftables.generation' } : asked),
    );
    return this.#list([{ op: 'namespace.get' }, ...queries]);
  }

  #list(asked: readonly Asked[]): readonly Asked[] {
    const unique = new Map(asked.map((each) => [askedKey(each), each]));
    const key = [...unique.keys()].join();
    const known = this.#lists.get(key);
    if (known !== undefined) return known;
    const list = [...unique.values()];
    this.#lists.set(key, list);
    return list;
  }
}

/** Lost interfaces may be found again, and those without an identity are recognised by their links. */
const isIdentified = ({ lost, attachment }: NetworkState['members'][number]): boolean =>
  lost === undefined && (attachment.kind !== 'veth' || attachment.identity !== undefined);

const SHARED: ReadonlySet<string> = new Set([
  'link.list',
  'address.list',
  'route.list',
  'neighbour.list',
  'nftables.list',
]);
const isShared = ({ op }: Asked): boolean => SHARED.has(op);
/** Queries of which all objects of the links count. */
const BY_LINK = ['link.list', 'address.list', 'route.list'] as const;

/** Which objects of the host an operation concerns. Undefined if they have no digests of their own. */
function hostObjectOf(operation: Operation): { links?: number[]; other?: [query: string, group: string] } | undefined {
  const links = (...indexes: (number | undefined)[]) =>
    indexes.includes(undefined) ? undefined : { links: indexes as number[] };
  switch (operation.op) {
    case 'link.add': {
      const { link } = operation;
      return link.kind === 'veth' ? links(link.index, link.data.peer.index) : links(link.index);
    }
    case 'tap.add':
      return links(operation.tap.index);
    case 'link.set':
      return links('index' in operation.link ? operation.link.index : undefined);
    case 'link.port':
    case 'link.ipv6':
    case 'link.offload':
      return links(operation.index);
    case 'address.add':
      return links(operation.address.index);
    case 'neighbour.add': {
      const [query] = queriesOf([operation]);
      const { index, destination = '', address = '' } = operation.neighbour;
      return query && { other: [askedKey(query), `${index} ${destination} ${address.toLowerCase()}`] };
    }
    case 'route.add': {
      const { index, destination } = operation.route;
      return { other: ['route.list', `${index} ${destination}`] };
    }
    case 'nftables.batch':
    case 'sysctl.set':
    case 'filter.add':
      return {};
    default:
      return undefined;
  }
}

const tablesOf = (operation: Operation): string[] =>
  operation.op === 'nftables.batch'
    ? operation.commands.map((command) => {
        const { family, table, name } = command as { family?: string; table?: string; name?: string };
        return tableGroup(`${family}`, `${table ?? name}`);
      })
    : [];

/** Returns the digests of the objects of a network. Undefined for one that is not in the answer. */
function hostDigests(
  { shared, own, links, others, tables, ports }: HostPart,
  answers: ReadonlyMap<string, Digest>,
  ownAnswers: ReadonlyMap<string, Digest>,
): (string | undefined)[] {
  const groups = hostGroups(answers);
  const read = new Set(shared.map(askedKey));
  const ofLinks = BY_LINK.filter((op) => read.has(op)).map((op) => groups.of(op));
  return [
    ...shared.map((asked) => answers.get(askedKey(asked))?.digest),
    ...own.map((asked) => ownAnswers.get(askedKey(asked))?.digest),
    ...links.flatMap((index) => ofLinks.map((group) => group.get(`${index}`) ?? '')),
    ...others.map(([query, group]) => groups.of(query).get(group)),
    ...[...tables, ...ports].map((group) => groups.of('nftables.list').get(group) ?? ''),
  ];
}

async function isUnchanged(
  context: Context,
  { inner, host, answers }: Verified,
  reading: Promise<ReadonlyMap<string, Digest>>,
): Promise<boolean> {
  const [own, ...others] = await Promise.all([
    readDigests(context, context.host.netns, host.own),
    ...inner.map(({ netns, asked }) => readDigests(context, netns, asked)),
  ]);
  const now = digestOfAll([
    ...inner.flatMap(({ asked }, index) => asked.map((each) => others[index]?.get(askedKey(each))?.digest)),
    ...hostDigests(host, await reading, own),
  ]);
  return now === answers;
}

/** Reads the digests of queries in a namespace, by `askedKey`. Those that fail are absent. */
async function readDigests(
  { kernel }: Context,
  netns: NamespaceRef | undefined,
  asked: readonly Asked[],
  isGrouped = false,
): Promise<ReadonlyMap<string, Digest>> {
  if (asked.length === 0) return new Map();
  const answers = await kernel.digests(asked.map((each) => digestRequest(each, netns, { isGrouped, value: false })));
  return new Map(
    asked.flatMap((each, index) => {
      const answer = answers[index];
      return answer === undefined || answer instanceof KernelError ? [] : [[askedKey(each), answer] as const];
    }),
  );
}

function digestOfRecords(
  { localNode: { host, underlay } }: Pick<Context, 'localNode'>,
  { network, members }: NetworkState,
): string {
  return digest(JSON.stringify([host, underlay, network, members]));
}

/** Undefined if one is missing. */
function digestOfAll(digests: readonly (string | undefined)[]): string | undefined {
  return digests.includes(undefined) ? undefined : digest(digests.join());
}

const digest = (text: string): string => createHash('sha1').update(text).digest('base64');
