import { KernelError } from '../../errors.js';
import type { Kernel } from '../kernel.js';
import type { Link } from '../link/index.js';
import type { NamespaceRef } from '../namespace.js';
import type { Neighbour } from '../neighbour.js';
import type { Operation, OperationName } from '../operation.js';
import type { Digest, DigestRequest, OwnKernel, QueryRequest } from '../own-kernel.js';
import type { NftObject, Queries, QueryName } from '../query.js';
import type { Filter, FilterRef } from '../traffic.js';
import { type Actual, type ActualNamespace, placeOf } from './actual.js';
import { neighbourFamily } from './same.js';

/** The query whose result shows whether an operation is satisfied. */
const READS = {
  'link.add': 'link.list',
  'link.set': 'link.list',
  'link.port': 'link.list',
  'link.ipv6': 'link.list',
  'tap.add': 'link.list',
  'address.add': 'address.list',
  'route.add': 'route.list',
  'rule.add': 'rule.list',
  'nftables.batch': 'nftables.list',
  'qdisc.add': 'qdisc.list',
} as const satisfies Partial<Record<OperationName, string>>;

type Read = (typeof READS)[keyof typeof READS];

/** Results that `links` uses. */
const RETAINED: ReadonlySet<string> = new Set(['namespace.get', READS['link.add'], 'links by index']);

/** Errnos of a namespace that does not exist, or of a file that is none. */
const ABSENT = new Set(['ENOENT', 'ESRCH', 'EINVAL', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG', 'EISDIR', 'ENXIO']);

/** True if the error means that a namespace does not exist or is not a namespace. */
export const isNamespaceMissing = (error: unknown): boolean => error instanceof KernelError && ABSENT.has(error.code);

export interface ObserverOptions {
  /**
   * Reads the links of a plan one by one, and no nftables elements. For a plan with few links and no elements, in a
   * namespace with many. Default false.
   */
  narrow?: boolean;
  /** Also reads digests of everything (see `digestsOf`), in groups for the namespace `host`. Default: none. */
  digests?: { kernel: Pick<OwnKernel, 'digests'>; host: NamespaceRef | undefined };
}

/** A query without its namespace. */
export type Asked = DistributiveOmit<QueryRequest, 'netns'> | { op: 'nftables.generation' };
type DistributiveOmit<Union, Key extends PropertyKey> = Union extends unknown ? Omit<Union, Key> : never;

/** Returns the text that identifies a query within a namespace. */
export function askedKey({ op, ...parameters }: Asked): string {
  const text = JSON.stringify(parameters);
  return text === '{}' ? op : `${op} ${text}`;
}

/** How the objects of the namespace of the host, which belong to many networks, are grouped in digests. */
const GROUPS: Partial<Record<Asked['op'], Pick<DigestRequest['digest'], 'by' | 'ruleset'>>> = {
  'link.list': { by: ['index'] },
  'address.list': { by: ['index'] },
  'route.list': { by: ['index', 'destination'] },
  'neighbour.list': { by: ['index', 'destination', 'address'] },
  'nftables.list': { ruleset: true },
};

/** Returns a request for the digest of a query. @param isGrouped the namespace is that of the host */
export const digestRequest = (
  asked: Asked,
  netns: NamespaceRef | undefined,
  { isGrouped, value }: { isGrouped: boolean; value: boolean },
): DigestRequest => ({ ...asked, netns, digest: { ...(isGrouped && GROUPS[asked.op]), value } }) as DigestRequest;

/** Reads objects from the kernel and caches them: each query is sent at most once. */
export class Observer {
  readonly #kernel: Kernel;
  readonly #narrow: boolean;
  readonly #digests: ObserverOptions['digests'];
  readonly #seen = new Map<NamespaceRef | undefined, Map<string, Promise<unknown>>>();
  readonly #digestsSeen = new Map<NamespaceRef | undefined, Map<string, Digest>>();

  constructor(kernel: Kernel, { narrow = false, digests }: ObserverOptions = {}) {
    this.#kernel = kernel;
    this.#narrow = narrow;
    this.#digests = digests;
  }

  /** Reads all objects that a plan refers to. */
  async observe(plan: readonly Operation[]): Promise<Actual> {
    const byNamespace = new Map<NamespaceRef | undefined, Operation[]>();
    for (const operation of plan) {
      const netns = placeOf(operation);
      const operations = byNamespace.get(netns);
      if (operations === undefined) byNamespace.set(netns, [operation]);
      else operations.push(operation);
      // A namespace without other operations is needed for `namespace.add`.
      if (operation.op === 'namespace.add') byNamespace.set(operation.name, byNamespace.get(operation.name) ?? []);
    }
    const actual: Actual = new Map();
    for (const [netns, operations] of byNamespace) {
      this.#readTogether(netns, operations);
      if (!(await this.exists(netns))) continue;
      actual.set(netns, await this.#readNamespace(netns, operations));
    }
    return actual;
  }

  /** Reads the links of a namespace; empty if it does not exist. */
  async links(netns: NamespaceRef | undefined): Promise<readonly Link[]> {
    if (!(await this.exists(netns))) return [];
    return this.#ask<Link[]>(netns, { op: 'link.list' });
  }

  /** As `links`, by index. */
  async linksByIndex(netns: NamespaceRef | undefined): Promise<ReadonlyMap<number, Link>> {
    const links = await this.links(netns);
    return this.#once(netns, 'links by index', async () => byIndex(links));
  }

  /** The entries of a namespace that `bridge fdb show` and `ip neigh show` list; none if it does not exist. */
  async neighbours(netns: NamespaceRef | undefined): Promise<readonly Neighbour[]> {
    if (!(await this.exists(netns))) return [];
    const tables = (['bridge', 'inet'] as const).map((family) => this.#neighbours(netns, { family, proxy: false }));
    return (await Promise.all(tables)).flat();
  }

  /** Drops everything but the links of a namespace from the cache. Rulesets are large. */
  forgetAllButLinks(netns: NamespaceRef | undefined): void {
    const seen = this.#seen.get(netns);
    for (const what of seen?.keys() ?? []) if (!RETAINED.has(what)) seen?.delete(what);
    this.#digestsSeen.delete(netns);
  }

  /** The digests of what was read of a namespace, by `askedKey`. Empty without the option `digests`. */
  digestsOf(netns: NamespaceRef | undefined): ReadonlyMap<string, Digest> {
    return this.#digestsSeen.get(netns) ?? new Map();
  }

  /** With digests, one request reads what the operations of a namespace refer to. Results are used later. */
  #readTogether(netns: NamespaceRef | undefined, operations: readonly Operation[]): void {
    if (this.#digests === undefined) return;
    const isHost = netns === this.#digests.host;
    // The generation before the ruleset: if that changes meanwhile, it is an earlier one, which never returns.
    const first: Asked[] = isHost ? [] : [{ op: 'namespace.get' }, { op: 'nftables.generation' }];
    this.#askTogether(netns, [...first, ...queriesOf(operations)], isHost || isBoundToDevice(operations));
  }

  /** @param digestsRulesets false: there is no digest of a ruleset, because its generation is sufficient */
  #askTogether(netns: NamespaceRef | undefined, asked: readonly Asked[], digestsRulesets = true): void {
    if (this.#digests === undefined) return;
    const { kernel, host } = this.#digests;
    const isHost = netns === host;
    const missing = asked.filter((each) => this.#seen.get(netns)?.has(askedKey(each)) !== true);
    if (missing.length === 0) return;
    const isPlain = (each: Asked) => each.op === 'nftables.list' && !digestsRulesets;
    const answers = kernel.digests(
      missing.map((each) =>
        isPlain(each)
          ? ({ ...each, netns } as QueryRequest)
          : digestRequest(each, netns, { isGrouped: isHost, value: true }),
      ),
    );
    for (const [index, each] of missing.entries()) {
      const key = askedKey(each);
      const answer = answers.then((all) => {
        const one = all[index];
        if (one instanceof KernelError) throw one;
        if (one === undefined || isPlain(each)) return one;
        const { value, ...digest } = one;
        this.#digestsHere(netns).set(key, digest);
        return value;
      });
      // Some are not awaited, if the namespace does not exist.
      answer.catch(() => undefined);
      void this.#once(netns, key, () => answer);
    }
  }

  #digestsHere(netns: NamespaceRef | undefined): Map<string, Digest> {
    const known = this.#digestsSeen.get(netns) ?? new Map<string, Digest>();
    this.#digestsSeen.set(netns, known);
    return known;
  }

  async #readNamespace(netns: NamespaceRef | undefined, operations: readonly Operation[]): Promise<ActualNamespace> {
    const reads = new Set(operations.map(({ op }) => (READS as Partial<Record<OperationName, Read>>)[op]));
    const list = async <Q extends Read>(read: Q): Promise<Queries[Q]['result'] | []> =>
      reads.has(read) ? this.#ask<Queries[Q]['result']>(netns, { op: read }) : [];
    const tables = tablesOf(operations);
    const keys = operations.flatMap((operation) => (operation.op === 'sysctl.set' ? [operation.key] : []));
    const places = operations.flatMap((operation) => (operation.op === 'filter.add' ? [operation.filter] : []));
    const switched = operations.flatMap((operation) => (operation.op === 'link.offload' ? [operation.index] : []));
    const [links, addresses, routes, rules, neighbours, nft, qdiscs, filters, sysctls, offloads] = await Promise.all([
      this.#narrow ? this.#plannedLinks(netns, operations) : list('link.list'),
      list('address.list'),
      list('route.list'),
      list('rule.list'),
      Promise.all([...tables.values()].map((table) => this.#neighbours(netns, table))),
      this.#narrow ? this.#ask<NftObject[]>(netns, { op: 'nftables.list', elements: false }) : list('nftables.list'),
      list('qdisc.list'),
      Promise.all(places.map(({ index, parent = 'ingress' }) => this.#filters(netns, index, parent))),
      Promise.all(keys.map(async (key) => [key, await this.#sysctl(netns, key)] as const)),
      Promise.all(switched.map(async (index) => [index, await this.#offload(netns, index)] as const)),
    ]);
    return {
      links: this.#narrow ? byIndex(links) : await this.#once(netns, 'links by index', async () => byIndex(links)),
      addresses,
      routes,
      rules,
      // One list for all plans, so that it is indexed once (see `itemsWith`).
      neighbours: await this.#once(netns, `neighbours ${[...tables.keys()].sort()}`, async () => neighbours.flat()),
      nft,
      qdiscs,
      filters: filters.flat(),
      offloads: new Map(offloads.flatMap(([index, value]) => (value === undefined ? [] : [[index, value]]))),
      sysctls: new Map(sysctls.flatMap(([key, value]) => (value === undefined ? [] : [[key, value]]))),
    };
  }

  async #plannedLinks(netns: NamespaceRef | undefined, operations: readonly Operation[]): Promise<Link[]> {
    const indexes = new Set(operations.map(linkOf).filter((index) => index !== undefined));
    const found = [...indexes].map((index) =>
      unless(['ENODEV'], undefined, this.#ask<Link>(netns, { op: 'link.get', link: { index } })),
    );
    return (await Promise.all(found)).filter((link) => link !== undefined);
  }

  /** True if the namespace exists. */
  async exists(netns: NamespaceRef | undefined): Promise<boolean> {
    if (netns === undefined) return true;
    try {
      await this.#ask(netns, { op: 'namespace.get' });
      return true;
    } catch (error) {
      if (isNamespaceMissing(error)) return false;
      throw error;
    }
  }

  #neighbours(netns: NamespaceRef | undefined, table: NeighbourTable): Promise<Neighbour[]> {
    return this.#ask(netns, { op: 'neighbour.list', ...table });
  }

  /** Empty if the link or the parent does not exist. */
  #filters(netns: NamespaceRef | undefined, index: number, parent: Parent): Promise<Filter[]> {
    return unless(['ENODEV', 'EINVAL'], [], this.#ask<Filter[]>(netns, { op: 'filter.list', index, parent }));
  }

  /** Undefined if the key does not exist, for example after the link was deleted. */
  async #sysctl(netns: NamespaceRef | undefined, key: string): Promise<string | undefined> {
    const text = await unless(['ENOENT'], undefined, this.#ask<string>(netns, { op: 'sysctl.get', key }));
    return text?.trim();
  }

  /** Undefined if the link does not exist. */
  async #offload(netns: NamespaceRef | undefined, index: number): Promise<boolean | undefined> {
    const offloads = this.#ask<{ txChecksum: boolean }>(netns, { op: 'link.offloads', index });
    return (await unless(['ENODEV'], undefined, offloads))?.txChecksum;
  }

  #ask<Result>(netns: NamespaceRef | undefined, asked: Asked): Promise<Result> {
    const { op, ...parameters } = asked;
    this.#askTogether(netns, [asked]);
    return this.#once(
      netns,
      askedKey(asked),
      () => this.#kernel.query(op as QueryName, { netns, ...parameters } as never) as Promise<Result>,
    );
  }

  #once<Result>(netns: NamespaceRef | undefined, what: string, read: () => Promise<Result>): Promise<Result> {
    const seen = this.#seen.get(netns) ?? new Map<string, Promise<unknown>>();
    this.#seen.set(netns, seen);
    const known = seen.get(what) as Promise<Result> | undefined;
    if (known !== undefined) return known;
    const result = read();
    seen.set(what, result);
    return result;
  }
}

type NeighbourTable = { family: ReturnType<typeof neighbourFamily>; proxy: boolean };
type Parent = NonNullable<FilterRef['parent']>;

/** The tables of neighbours that operations refer to, by name. */
function tablesOf(operations: readonly Operation[]): Map<string, NeighbourTable> {
  return new Map(
    operations.flatMap((operation) => {
      if (operation.op !== 'neighbour.add') return [];
      const { neighbour } = operation;
      const table = { family: neighbourFamily(neighbour), proxy: neighbour.proxy ?? false };
      return [[`${table.family} ${table.proxy}`, table] as const];
    }),
  );
}

/** Returns the queries that show whether operations are satisfied. */
export function queriesOf(operations: readonly Operation[]): Asked[] {
  const reads = new Set(operations.flatMap(({ op }) => (READS as Partial<Record<OperationName, Read>>)[op] ?? []));
  return [
    ...[...reads].map((op): Asked => ({ op })),
    ...[...tablesOf(operations).values()].map((table): Asked => ({ op: 'neighbour.list', ...table })),
    ...operations.flatMap((operation): Asked[] => {
      switch (operation.op) {
        case 'sysctl.set':
          return [{ op: 'sysctl.get', key: operation.key }];
        case 'link.offload':
          return [{ op: 'link.offloads', index: operation.index }];
        case 'filter.add': {
          const { index, parent = 'ingress' } = operation.filter;
          return [{ op: 'filter.list', index, parent }];
        }
        default:
          return [];
      }
    }),
  ];
}

/** True if a plan has chains of devices, which the deletion of the device changes without a new generation of the ruleset. */
export const isBoundToDevice = (operations: readonly Operation[]): boolean =>
  operations.some(
    (operation) =>
      operation.op === 'nftables.batch' &&
      operation.commands.some((command) => 'family' in command && command.family === 'netdev'),
  );

/** Resolves to `value` if the reading fails with one of the errnos. */
async function unless<Result, Value>(
  codes: readonly string[],
  value: Value,
  reading: Promise<Result>,
): Promise<Result | Value> {
  try {
    return await reading;
  } catch (error) {
    if (error instanceof KernelError && codes.includes(error.code)) return value;
    throw error;
  }
}

const byIndex = (links: readonly Link[]) => new Map(links.map((link) => [link.index, link]));

/** Index of the link that an operation creates or changes. */
function linkOf(operation: Operation): number | undefined {
  switch (operation.op) {
    case 'link.add':
      return operation.link.index;
    case 'link.set':
      return 'index' in operation.link ? operation.link.index : undefined;
    case 'tap.add':
      return operation.tap.index;
    case 'link.port':
    case 'link.ipv6':
      return operation.index;
    default:
      return undefined;
  }
}
