import type { Address } from './address.js';
import type { Link } from './link/index.js';
import type { NamespaceRef } from './namespace.js';
import type { Neighbour } from './neighbour.js';
import type { LinkRef } from './operation.js';
import type { Route } from './route.js';
import type { Rule } from './rule.js';

interface In {
  netns?: NamespaceRef | undefined;
}

/** Every read, with what it takes and what it gives. */
export interface Queries {
  'link.list': { takes: In; gives: Link[] };
  'link.get': { takes: In & { link: LinkRef }; gives: Link };
  'address.list': { takes: In; gives: Address[] };
  'route.list': { takes: In; gives: Route[] };
  'rule.list': { takes: In; gives: Rule[] };
  'neighbour.list': { takes: In & { family?: 'inet' | 'inet6' | 'bridge' }; gives: Neighbour[] };
  'sysctl.get': { takes: In & { key: string }; gives: string };
  'namespace.list': { takes: Record<never, never>; gives: NamespaceInfo[] };
  /** Identifies the namespace a reference points to; ENOENT or EINVAL if it is none. */
  'namespace.get': { takes: { netns?: NamespaceRef }; gives: NamespaceInfo };
  'nftables.list': { takes: In; gives: NftObject[] };
}

export interface NamespaceInfo {
  /** Its name under /run/netns, where it has one. */
  name?: string;
  /** Inode number: the same for two references to the same namespace. */
  inode: number;
}

/** A table, chain, rule, set or element as the kernel reports it. */
export type NftObject = { object: 'table' | 'chain' | 'rule' | 'set' | 'element' } & Record<string, unknown>;

export type QueryName = keyof Queries;
