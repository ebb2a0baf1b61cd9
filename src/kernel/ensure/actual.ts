import type { Address } from '../address.js';
import type { Link } from '../link/index.js';
import type { NamespaceRef } from '../namespace.js';
import type { Neighbour } from '../neighbour.js';
import type { Operation } from '../operation.js';
import type { NftObject } from '../query.js';
import type { Route } from '../route.js';
import type { Rule } from '../rule.js';
import type { Filter, Qdisc } from '../traffic.js';

/** What a namespace holds, as the kernel reports it. */
export interface ActualNamespace {
  links: Map<number, Link>;
  addresses: Address[];
  routes: Route[];
  rules: Rule[];
  neighbours: Neighbour[];
  nft: NftObject[];
  /** Absent where a plan has none; filters of the places it is about. */
  qdiscs?: Qdisc[];
  filters?: Filter[];
  /** Whether links have their checksums computed by the driver; those that were asked about. */
  offloads?: Map<number, boolean>;
  /** Those that were asked about and could be read. */
  sysctls: Map<string, string>;
}

/** The namespace in which what an operation makes is found. */
export function placeOf(operation: Operation): NamespaceRef | undefined {
  if (operation.op === 'namespace.add' || operation.op === 'namespace.delete') return undefined;
  return operation.op === 'link.add' ? (operation.link.netns ?? operation.netns) : operation.netns;
}

/** What there is, of everything a plan touches. A namespace that does not exist is absent. */
export type Actual = Map<NamespaceRef | undefined, ActualNamespace>;
