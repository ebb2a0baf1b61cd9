import type {
  AddressInfo,
  HostInfo,
  InterfaceInfo,
  MigrationInfo,
  NetworkInfo,
  PoolSummary,
  RepairResult,
} from '../api/types.js';
import type { Json } from '../store/store.js';
import { formatPools } from './pool.js';
import { repairText } from './repair.js';
import { fields, table } from './table.js';

function truth(value: boolean): string {
  return value ? 'yes' : 'no';
}

/** Shown for an absent value. */
const NONE = '-';

function metadata(values: Record<string, Json>): string {
  const lines = Object.entries(values).map(
    ([key, value]) => `    ${key}: ${typeof value === 'string' ? value : JSON.stringify(value)}`,
  );
  return ['Metadata:', ...lines].join('\n');
}

/** Formats a network with the fields of the walk-through, in its order. */
export function formatNetwork(network: NetworkInfo): string {
  const blocks = [
    fields([
      ['uuid', network.uuid],
      ['name', network.name],
      ['vxlan id', String(network.vni)],
      ['netblock', network.netblock],
      ['provide dhcp', truth(network.provideDhcp)],
      ['provide nat', truth(network.provideNat)],
      ['floating gateway', network.floatingGateway ?? NONE],
      ['tenant', network.tenant],
      ['state', network.state],
      ...(network.router === undefined ? [] : [['router', network.router] as const]),
      ...(network.standby === undefined ? [] : [['moving to', network.standby] as const]),
      ...(network.floatingPool === undefined ? [] : [['floating pool', network.floatingPool] as const]),
    ]),
    metadata(network.metadata),
  ];
  if (network.routedAddresses.length > 0) {
    blocks.push(['Routed addresses:', ...network.routedAddresses.map((address) => `    ${address}`)].join('\n'));
  }
  return blocks.join('\n\n');
}

export function formatNetworks(networks: readonly NetworkInfo[]): string {
  const hasRouters = networks.some(({ router }) => router !== undefined);
  const columns = ['UUID', 'NAME', 'VXLAN ID', 'NETBLOCK', 'DHCP', 'NAT', 'DNS', 'FLOATING GATEWAY', 'TENANT', 'STATE'];
  return table(
    [...columns, ...(hasRouters ? ['ROUTER'] : [])],
    networks.map((network) => [
      network.uuid,
      network.name,
      String(network.vni),
      network.netblock,
      truth(network.provideDhcp),
      truth(network.provideNat),
      truth(network.provideDns),
      network.floatingGateway ?? NONE,
      network.tenant,
      network.state,
      ...(hasRouters ? [network.router ?? NONE] : []),
    ]),
  );
}

const migration = ({ from, to, device, state }: MigrationInfo) => `${state}: from ${from} to ${to}, ${device}`;

/** Formats an interface with the fields of the walk-through, in its order, and then the others. */
export function formatInterface(nic: InterfaceInfo): string {
  const own = fields([
    ['uuid', nic.uuid],
    ['network', nic.network],
    ['macaddr', nic.mac],
    ['order', String(nic.order)],
    ['ipv4', nic.address],
    ['floating', nic.floating ?? NONE],
    ['model', nic.model],
    ['device', nic.device],
    ['attached', nic.attachment],
    ['hostname', nic.hostname ?? NONE],
    ['instance', nic.instance ?? NONE],
    ['state', nic.state],
    ...(nic.netns === undefined ? [] : [['namespace', nic.netns] as const]),
    ...(nic.pool === undefined ? [] : [['pool', nic.pool] as const]),
    ...(nic.node === undefined ? [] : [['node', nic.node] as const]),
    ...(nic.migration === undefined ? [] : [['migration', migration(nic.migration)] as const]),
  ]);
  return `${own}\n\n${metadata(nic.metadata)}`;
}

export function formatInterfaces(nics: readonly InterfaceInfo[]): string {
  return table(
    ['UUID', 'NETWORK', 'MACADDR', 'ORDER', 'IPV4', 'FLOATING', 'MODEL', 'DEVICE', 'STATE'],
    nics.map((nic) => [
      nic.uuid,
      nic.network,
      nic.mac,
      String(nic.order),
      nic.address,
      nic.floating ?? NONE,
      nic.model,
      nic.device,
      nic.state,
    ]),
  );
}

export function formatAddresses(addresses: readonly AddressInfo[]): string {
  return table(
    ['ADDRESS', 'USE', 'MACADDR', 'INTERFACE'],
    addresses.map(({ address, use, mac, interface: nic }) => [address, use, mac ?? '', nic ?? '']),
  );
}

/** Result of `vethwork status`: the host, pending repairs, and networks. */
export interface Status {
  host: HostInfo;
  /** What `reconcile` would repair. Empty if there is nothing. */
  repairs: readonly RepairResult[];
  networks: readonly NetworkInfo[];
  pools: readonly PoolSummary[];
}

export function formatNodes(nodes: NonNullable<HostInfo['nodes']>): string {
  const rows = nodes.map(({ name, role, state, address = '', interfaces, networks, egressPorts, ...node }) => [
    ...[name, role, node.cordoned ? `${state}, cordoned` : state, address, String(interfaces)],
    ...[networks === undefined ? NONE : String(networks)],
    ...[egressPorts === undefined ? NONE : `${egressPorts.used} of ${egressPorts.total}`, node.floatingPool ?? NONE],
  ]);
  const columns = ['NODE', 'ROLE', 'STATE', 'ADDRESS', 'INTERFACES', 'NETWORKS', 'EGRESS PORTS', 'FLOATING POOL'];
  return table(columns, rows);
}

export function formatStatus({ host, repairs, networks, pools }: Status): string {
  const { total, used } = host.floatingAddresses;
  const blocks = [
    fields([
      ['egress bridge', host.egressBridge],
      ['egress nic', host.egressNic],
      ['mesh nic', host.meshNic],
      ['mtu', String(host.mtu)],
      ['floating network', host.floatingNetwork],
      ['floating address', host.floatingAddress],
      [
        'outbound nat',
        host.outboundNat
          ? 'yes'
          : `no: replies from outside need a route to ${host.floatingNetwork} by this host (not checked)`,
      ],
      ['floating in use', `${used} of ${total}`],
      ['networks', String(host.networks)],
      ['interfaces', String(host.interfaces)],
      ['health', repairs.length === 0 ? 'in order' : `${repairs.length} to repair (vethwork reconcile)`],
    ]),
  ];
  if (repairs.length > 0) {
    blocks.push(repairs.map((repair) => `    ${repairText(repair)}`).join('\n'));
  }
  const { warnings = [] } = host;
  if (warnings.length > 0) blocks.push(warnings.map((warning) => `warning: ${warning}`).join('\n'));
  if (host.nodes !== undefined) blocks.push(formatNodes(host.nodes));
  if (networks.length > 0) {
    blocks.push(formatNetworks(networks));
  }
  if (pools.length > 0) blocks.push(formatPools(pools));
  return blocks.join('\n\n');
}
