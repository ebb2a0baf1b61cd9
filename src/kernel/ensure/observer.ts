import { KernelError } from '../../errors.js';
import type { Kernel } from '../kernel.js';
import type { Link } from '../link/index.js';
import type { NamespaceRef } from '../namespace.js';
import type { Neighbour } from '../neighbour.js';
import type { Operation, OperationName } from '../operation.js';
import type { NftObject, Queries } from '../query.js';
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
const RETAINED: ReadonlySet<string> = new Set(['exists', READS['link.add']]);

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
}

/** Reads objects from the kernel and caches them: each query is sent at most once. */
export class Observer {
  readonly #kernel: Kernel;
  readonly #narrow: boolean;
  readonly #seen = new Map<NamespaceRef | undefined, Map<string, Promise<unknown>>>();

  constructor(kernel: Kernel, { narrow = false }: ObserverOptions = {}) {
    this.#kernel = kernel;
    this.#narrow = narrow;
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
      if (!(await this.exists(netns))) continue;
      actual.set(netns, await this.#readNamespace(netns, operations));
    }
    return actual;
  }

  /** Reads the links of a namespace; empty if it does not exist. */
  async links(netns: NamespaceRef | undefined): Promise<readonly Link[]> {
    if (!(await this.exists(netns))) return [];
    return this.#once(netns, 'link.list', () => this.#kernel.query('link.list', { netns }));
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
  }

  async #readNamespace(netns: NamespaceRef | undefined, operations: readonly Operation[]): Promise<ActualNamespace> {
    const reads = new Set(operations.map(({ op }) => (READS as Partial<Record<OperationName, Read>>)[op]));
    const list = async <Q extends Read>(read: Q): Promise<Queries[Q]['result'] | []> =>
      reads.has(read) ? this.#once(netns, read, () => this.#kernel.query<Read>(read, { netns })) : [];
    const tables = new Map(
      operations.flatMap((operation) => {
        if (operation.op !== 'neighbour.add') return [];
        const { neighbour } = operation;
        const table = { family: neighbourFamily(neighbour), proxy: neighbour.proxy ?? false };
        return [[`neighbours ${table.family} ${table.proxy}`, table] as const];
      }),
    );
    const keys = operations.flatMap((operation) => (operation.op === 'sysctl.set' ? [operation.key] : []));
    const places = operations.flatMap((operation) => (operation.op === 'filter.add' ? [operation.filter] : []));
    const switched = operations.flatMap((operation) => (operation.op === 'link.offload' ? [operation.index] : []));
    const [links, addresses, routes, rules, neighbours, nft, qdiscs, filters, sysctls, offloads] = await Promise.all([
      this.#narrow ? this.#plannedLinks(netns, operations) : list('link.list'),
      list('address.list'),
      list('route.list'),
      list('rule.list'),
      Promise.all([...tables.values()].map((table) => this.#neighbours(netns, table))),
      this.#narrow ? this.#structure(netns) : list('nftables.list'),
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
      this.#once(netns, `link ${index}`, () => this.#kernel.query('link.get', { netns, link: { index } })).catch(
        (error) => {
          if (error instanceof KernelError && error.code === 'ENODEV') return undefined;
          throw error;
        },
      ),
    );
    return (await Promise.all(found)).filter((link) => link !== undefined);
  }

  #structure(netns: NamespaceRef | undefined): Promise<NftObject[]> {
    const read = () => this.#kernel.query('nftables.list', { netns, elements: false });
    return this.#once(netns, 'nftables.list without elements', read);
  }

  /** True if the namespace exists. */
  async exists(netns: NamespaceRef | undefined): Promise<boolean> {
    if (netns === undefined) return true;
    return this.#once(netns, 'exists', async () => {
      try {
        await this.#kernel.query('namespace.get', { netns });
        return true;
      } catch (error) {
        if (isNamespaceMissing(error)) return false;
        throw error;
      }
    });
  }

  #neighbours(
    netns: NamespaceRef | undefined,
    table: { family: ReturnType<typeof neighbourFamily>; proxy: boolean },
  ): Promise<Neighbour[]> {
    const read = () => this.#kernel.query('neighbour.list', { netns, ...table });
    return this.#once(netns, `neighbours ${table.family} ${table.proxy}`, read);
  }

  /** Empty if the link or the parent does not exist. */
  #filters(
    netns: NamespaceRef | undefined,
    index: number,
    parent: NonNullable<FilterRef['parent']>,
  ): Promise<Filter[]> {
    return this.#once(netns, `filters of ${index} ${parent}`, async () => {
      try {
        return await this.#kernel.query('filter.list', { netns, index, parent });
      } catch (error) {
        if (error instanceof KernelError && (error.code === 'ENODEV' || error.code === 'EINVAL')) return [];
        throw error;
      }
    });
  }

  /** Undefined if the key does not exist, for example after the link was deleted. */
  #sysctl(netns: NamespaceRef | undefined, key: string): Promise<string | undefined> {
    return this.#once(netns, key, async () => {
      try {
        return (await this.#kernel.query('sysctl.get', { netns, key })).trim();
      } catch (error) {
        if (error instanceof KernelError && error.code === 'ENOENT') return undefined;
        throw error;
      }
    });
  }

  /** Undefined if the link does not exist. */
  #offload(netns: NamespaceRef | undefined, index: number): Promise<boolean | undefined> {
    return this.#once(netns, `offload of ${index}`, async () => {
      try {
        return (await this.#kernel.query('link.offloads', { netns, index })).txChecksum;
      } catch (error) {
        if (error instanceof KernelError && error.code === 'ENODEV') return undefined;
        throw error;
      }
    });
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
