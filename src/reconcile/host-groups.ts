import type { Digest } from '../kernel/own-kernel.js';
import { vniOfGroup } from '../plan/group.js';
import { networkNames } from '../plan/names.js';

/** Digests of the objects of the namespace of the host, by query (`askedKey`) and group. */
export interface HostGroups {
  /**
   * The groups of a query: `<index>` for links, addresses and routes, also `<index> <destination>` for routes,
   * `<index> <destination> <address>` for neighbours, `table <family> <name>` for what is no element in a table, and the
   * name of the port for elements of tables of vethwork.
   */
  of(query: string): ReadonlyMap<string, string>;
  /** Interface indexes of all links. */
  readonly links: readonly number[];
  /** Names of the ports that elements refer to. */
  readonly ports: readonly string[];
}

/** No name of a link contains a blank. */
const TABLE = 'table ';
const OWN_TABLES = 'vethwork';

const NONE: ReadonlyMap<string, string> = new Map();
/** One for each reading, which all networks share. */
const known = new WeakMap<ReadonlyMap<string, Digest>, { size: number; groups: HostGroups }>();

/** Returns the groups of answers about the namespace of the host. */
export function hostGroups(answers: ReadonlyMap<string, Digest>): HostGroups {
  const before = known.get(answers);
  // An observer reads further tables when a network needs them.
  if (before?.size === answers.size) return before.groups;
  const all = new Map([...answers].map(([query, answer]) => [query, groupsOf(query, answer)]));
  const groups: HostGroups = {
    of: (query) => all.get(query) ?? NONE,
    links: [...(all.get('link.list') ?? NONE).keys()].map(Number),
    ports: [...(all.get('nftables.list') ?? NONE).keys()].filter((group) => !group.startsWith(TABLE)),
  };
  known.set(answers, { size: answers.size, groups });
  return groups;
}

function groupsOf(query: string, { groups = [] }: Digest): ReadonlyMap<string, string> {
  const digests = new Map<string, string>();
  const add = (group: string, digest: string) => digests.set(group, `${digests.get(group) ?? ''}${digest}`);
  for (let at = 0; at < groups.length; at += 2) {
    const group = groups[at];
    const digest = groups[at + 1] as string;
    if (query === 'nftables.list') {
      const [family, table, ...first] = group as [string, string, unknown?];
      if (first.length === 0) add(tableGroup(family, table), digest);
      else if (table.startsWith(OWN_TABLES)) add(portOf(first[0]), digest);
    } else if (Array.isArray(group)) {
      add(group.join(' '), digest);
      if (query === 'route.list') add(`${group[0]}`, digest);
    } else add(`${group}`, digest);
  }
  return digests;
}

/**
 * Returns the port of an element from the first part of its key: the name of the port, or the VNI or link group of the
 * network.
 */
export const portOf = (first: unknown): string =>
  typeof first === 'number' ? networkNames(vniOfGroup(first)).bridge : String(first);

/** Returns the group of what is no element in a table. */
export const tableGroup = (family: string, name: string): string => `${TABLE}${family} ${name}`;
