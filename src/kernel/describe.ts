import type { NamespaceRef } from './namespace.js';
import type { ConntrackFilter, LinkRef, Operation } from './operation.js';

function linkText(link: LinkRef | { group: number }): string {
  if ('name' in link) {
    return `link ${link.name}`;
  }
  return 'index' in link ? `link ${link.index}` : `links of group ${link.group}`;
}

function filterText(filter: ConntrackFilter): string {
  const given = Object.entries(filter).filter(([, value]) => value !== undefined);
  return given.map(([key, value]) => (key === 'address' ? value : `${key} ${value}`)).join(', ');
}

/** Describes an operation for errors and logs: `create veth veth-e2300f-o`. */
export function describeOperation(operation: Operation): string {
  switch (operation.op) {
    case 'link.add':
      return `create ${operation.link.kind} ${operation.link.name}`;
    case 'link.set':
      return `set ${Object.keys(operation.changes).join(', ')} of ${linkText(operation.link)}`;
    case 'link.delete':
      return `delete ${linkText(operation.link)}`;
    case 'link.port':
      return `set bridge port options of link ${operation.index}`;
    case 'link.offload':
      return `switch checksum offload of link ${operation.index} ${operation.txChecksum ? 'on' : 'off'}`;
    case 'link.ipv6':
      return `${operation.disabled ? 'disable' : 'enable'} IPv6 of link ${operation.index}`;
    case 'address.add':
      return `add address ${operation.address.address} to link ${operation.address.index}`;
    case 'address.delete':
      return `delete address ${operation.address.address} of link ${operation.address.index}`;
    case 'route.add':
      return `add route to ${operation.route.destination}`;
    case 'route.delete':
      return `delete route to ${operation.route.destination}`;
    case 'rule.add':
      return `add routing rule ${operation.rule.priority}`;
    case 'rule.delete':
      return `delete routing rule ${operation.rule.priority}`;
    case 'neighbour.add':
      return `add neighbour ${operation.neighbour.destination ?? operation.neighbour.address} of link ${operation.neighbour.index}`;
    case 'neighbour.delete':
      return `delete neighbour ${operation.neighbour.destination ?? operation.neighbour.address} of link ${operation.neighbour.index}`;
    case 'qdisc.add':
      return `add ${operation.qdisc.kind} qdisc to link ${operation.qdisc.index}`;
    case 'qdisc.delete':
      return `delete ${operation.qdisc.kind ?? operation.qdisc.parent ?? 'root'} qdisc of link ${operation.qdisc.index}`;
    case 'filter.add':
      return `add ${operation.filter.kind} filter ${operation.filter.priority} to link ${operation.filter.index}`;
    case 'filter.delete':
      return `delete filter ${operation.filter.priority} of link ${operation.filter.index}`;
    case 'sysctl.set':
      return `set net/${operation.key} to ${operation.value}`;
    case 'tap.add':
      return `create tap ${operation.tap.name}`;
    case 'namespace.add':
      return `create namespace ${operation.name}`;
    case 'namespace.delete':
      return `delete namespace ${operation.name}`;
    case 'nftables.batch':
      return 'change the nftables ruleset';
    case 'conntrack.add':
      return `add ${operation.connections.length} connections`;
    case 'conntrack.delete':
      return `delete connections matching ${filterText(operation.filter)}`;
  }
}

/** The namespace of an operation, as shown in errors. */
export function namespaceText(operation: { netns?: NamespaceRef | undefined }): string | undefined {
  return operation.netns === undefined ? undefined : String(operation.netns);
}
