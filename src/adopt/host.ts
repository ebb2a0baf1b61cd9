import type { HostRequest } from '../api/options.js';
import type { Services } from '../dnsmasq/index.js';
import { ConflictError, NotFoundError } from '../errors.js';
import { systemResolvers } from '../host/resolvers.js';
import { networkOfAddress, parseNetblock } from '../ipam/netblock.js';
import type { Link } from '../kernel/link/index.js';
import { EGRESS_BRIDGE_PREFIX, egressBridgeName, isHostAlias, isVethworkLink } from '../plan/names.js';
import type { HostRecord } from '../records/records.js';
import { addressesOf, elementsOf, type Reading } from './reading.js';

const TABLE = 'vethwork';

/** Finds the egress bridge. @throws NotFoundError, ConflictError if nothing of a lone host can be adopted */
export function findEgressBridge(host: Reading, own: readonly Link[], netns: HostRequest['netns']): Link {
  const place = `network namespace ${netns ?? 'of this process'}`;
  if (own.length === 0) throw new NotFoundError('link of vethwork in', place);
  const bridge = own.find(({ alias }) => isHostAlias(alias));
  if (bridge === undefined) {
    throw new ConflictError(
      'the egress bridge does not exist any more, or this is a node of a cluster, whose records are in etcd: ' +
        'remove what is left with "vethwork purge"',
    );
  }
  const peers = ['vteps', 'vteps6'].flatMap((set) => elementsOf(host, 'inet vethwork_mesh', set));
  if (peers.length > 0) {
    throw new ConflictError('this is a node of a cluster: its records are in etcd, and its agent needs no adoption');
  }
  return bridge;
}

/**
 * Rebuilds the record of a host. Settings that the kernel and dnsmasq do not know are absent.
 * @param services those of all networks
 */
export async function rebuildHost(
  bridge: Link,
  host: Reading,
  own: readonly Link[],
  { services, given }: { services: readonly Services[]; given: HostRequest },
): Promise<HostRecord> {
  const [floating] = addressesOf(host, bridge.index);
  if (floating === undefined)
    throw new ConflictError(`the bridge ${bridge.name} has no address: give it back, or use "vethwork purge"`);
  const floatingNetwork = networkOfAddress(floating);
  const rules = host.nft.filter(({ object, family, table }) => object === 'rule' && family === 'ip' && table === TABLE);
  const vxlan = own.find(({ kind }) => kind === 'vxlan')?.data as { port?: number; link?: number } | undefined;
  const meshNic = host.links.find(({ index }) => index === vxlan?.link)?.name;
  const [domain] = services.flatMap((each) => each.domain ?? []);
  const [dnsServers] = services.map((each) => each.dnsServers).filter(({ length }) => length > 0);
  const isSystem = dnsServers === undefined || JSON.stringify(dnsServers) === JSON.stringify(await systemResolvers());
  return {
    egressNic: egressNicOf(bridge.name, host.links, given.egressNic),
    egressBridge: { name: bridge.name, index: bridge.index, mac: bridge.address as string },
    floatingNetwork,
    floatingAddress: parseNetblock('floatingNetwork', floatingNetwork).gateway,
    outboundNat: rules.some(({ chain }) => chain === 'postrouting'),
    // Without the option, packets to metadata services jump to a chain that drops them.
    ...(rules.length > 0 && {
      allowMetadata: !rules.some((rule) => JSON.stringify(rule).includes('"jump":"metadata"')),
    }),
    vxlanPort: vxlan?.port ?? given.vxlanPort ?? 4789,
    settings: {
      ...(meshNic !== undefined && { meshNic }),
      ...(domain !== undefined && { domain }),
      ...(dnsServers !== undefined && { dnsServers }),
      hasSystemResolvers: isSystem,
    } as NonNullable<HostRecord['settings']>,
  };
}

/** The name of a bridge has the name of its NIC, or, if that is long, a hash of it. */
function egressNicOf(bridge: string, links: readonly Link[], given: string | undefined): string {
  const candidates = links.filter((link) => !isVethworkLink(link)).map(({ name }) => name);
  const found = [given ?? '', ...candidates].find((name) => egressBridgeName(name) === bridge);
  return found ?? bridge.slice(EGRESS_BRIDGE_PREFIX.length);
}
