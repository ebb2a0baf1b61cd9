import type { Address } from '../address.js';
import type { Link } from '../link/index.js';
import type { NamespaceRef } from '../namespace.js';
import type { Neighbour } from '../neighbour.js';
import type { Operation } from '../operation.js';
import type { NftObject } from '../query.js';
import type { Route } from '../route.js';
import type { Rule } from '../rule.js';
import type { Filter, Qdisc } from '../traffic.js';

/** Objects of a namespace, as reported by the kernel. */
export interface ActualNamespace {
  links: Map<number, Link>;
  addresses: Address[];
  routes: Route[];
  rules: Rule[];
  neighbours: Neighbour[];
  nft: NftObject[];
  /** Absent unless the plan contains some; filters only of the parents in the plan. */
  qdiscs?: Qdisc[];
  filters?: Filter[];
  /** Whether the driver computes checksums, by interface index, for the links in the plan. */
  offloads?: Map<number, boolean>;
  /** Readable sysctls of the plan. */
  sysctls: Map<string, string>;
}

/** Returns the namespace in which the object of an operation is located. */
export function placeOf(operation: Operation): NamespaceRef | undefined {
  if (operation.op === 'namespace.add' || operation.op === 'namespace.delete') return undefined;
  return operation.op === 'link.add' ? (operation.link.netns ?? operation.netns) : operation.netns;
}

/** Objects of each namespace of a plan. A namespace that does not exist is absent. */
export type Actual = Map<NamespaceRef | undefined, ActualNamespace>;
