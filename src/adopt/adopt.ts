import type { HostRequest } from '../api/options.js';
import { findRuntimeRoots, readServices, type Services } from '../dnsmasq/index.js';
import { NamespaceFinder } from '../host/namespace-finder.js';
import { type Netblock, parseNetblock } from '../ipam/netblock.js';
import type { Kernel } from '../kernel/kernel.js';
import type { Link } from '../kernel/link/index.js';
import type { NamespaceRef } from '../kernel/namespace.js';
import { DELETION_GROUP } from '../plan/group.js';
import { isNetworkNamespace, leftoverLinks } from '../plan/leftovers.js';
import { networkOfAlias } from '../plan/names.js';
import type { HostRecord, InterfaceRecord, NetworkRecord } from '../records/records.js';
import { findEgressBridge, rebuildHost } from './host.js';
import { type RebuiltInterface, rebuildInterface } from './interface.js';
import { rebuildNetwork } from './network.js';
import { type Reading, type Rebuilt, readNamespace } from './reading.js';

/*
 * The records of a lone host, rebuilt from the kernel and the files of dnsmasq after the state folder was lost. Nothing
 * is changed here.
 */

/** An object that cannot be rebuilt. It is left alone. */
export interface Skipped {
  kind: 'network' | 'interface' | 'floating';
  /** UUID of a network; name of a link. */
  name: string;
  /** UUID of its network. */
  network?: string;
  reason: string;
}

/** The rebuilt records. */
export interface RebuiltHost {
  host: HostRecord;
  networks: { record: NetworkRecord; defaults: string[]; members: RebuiltInterface[] }[];
  skipped: Skipped[];
  /** The highest index of all links of vethwork. */
  highestIndex: number;
  /** Runtime folders of the dnsmasq of each network. */
  roots: ReadonlyMap<string, ReadonlySet<string>>;
}

/** Reads what a lost host has left. @throws NotFoundError, ConflictError */
export async function readLostHost(kernel: Kernel, request: HostRequest): Promise<RebuiltHost & { bridge: Link }> {
  const { netns } = request;
  const reading = await readNamespace(kernel, netns);
  const found = leftoverLinks(reading.links.filter(({ group }) => group !== DELETION_GROUP));
  const bridge = findEgressBridge(reading, found.own, netns);
  const roots = findRuntimeRoots(found.networks);
  const services = new Map([...found.networks].map((uuid) => [uuid, servicesOf(uuid, roots.get(uuid))]));
  const known = [...services.values()].filter((each) => each !== undefined);
  const host = await rebuildHost(bridge, reading, found.own, { services: known, given: request });
  const input = {
    kernel,
    netns,
    reading,
    own: found.own,
    devices: found.devices,
    finder: new NamespaceFinder(kernel, netns),
  };
  const floatingBlock = parseNetblock('floatingNetwork', host.floatingNetwork);
  const skipped: Skipped[] = [];
  const networks: RebuiltHost['networks'] = [];
  let highestIndex = Math.max(...found.own.map(({ index }) => index));
  for (const uuid of found.networks) {
    const tenant = request.tenant ?? 'system';
    const { result, highest } = await rebuildOne(uuid, {
      ...input,
      tenant,
      floatingBlock,
      services: services.get(uuid),
    });
    highestIndex = Math.max(highestIndex, highest);
    if ('reason' in result) skipped.push({ kind: 'network', name: uuid, network: uuid, reason: result.reason });
    else {
      networks.push(result.value);
      skipped.push(...result.value.skipped);
    }
  }
  return { host, networks: withUniqueNames(networks), skipped, highestIndex, roots, bridge };
}

function servicesOf(uuid: string, roots: ReadonlySet<string> = new Set()): Services | undefined {
  return [...roots].map((root) => readServices(root, uuid)).find((each) => each !== undefined);
}

interface NetworkInput {
  kernel: Kernel;
  netns: NamespaceRef | undefined;
  reading: Reading;
  own: readonly Link[];
  devices: readonly Link[];
  finder: NamespaceFinder;
  tenant: string;
  floatingBlock: Netblock;
  services: Services | undefined;
}

type RebuiltAll = RebuiltHost['networks'][number] & { skipped: Skipped[] };

async function rebuildOne(
  uuid: string,
  input: NetworkInput,
): Promise<{ result: Rebuilt<RebuiltAll>; highest: number }> {
  const { kernel, netns, reading, own, services, tenant, floatingBlock } = input;
  const outer = own.filter(({ alias }) => networkOfAlias(alias) === uuid);
  const id = await kernel.query('namespace.id', { netns, target: uuid }).catch(() => -1);
  const inside = id < 0 ? undefined : await readNamespace(kernel, uuid);
  if (inside === undefined || !isNetworkNamespace(uuid, { outer, inner: inside.links, id })) {
    return {
      result: { reason: `its namespace /run/netns/${uuid} does not exist, or is not connected to its bridge` },
      highest: 0,
    };
  }
  const highest = Math.max(...inside.links.map(({ index }) => index));
  const rebuilt = rebuildNetwork(uuid, { outer, inside }, { tenant, services });
  if ('reason' in rebuilt) return { result: rebuilt, highest };
  const { record, floating, defaults } = rebuilt.value;
  const addresses = [record.egress?.address, ...Object.keys(record.routed)].filter((each) => each !== undefined);
  const outside = addresses.find((address) => !floatingBlock.contains(address));
  if (outside !== undefined) {
    return { result: { reason: `its address ${outside} is not of the floating network ${floatingBlock}` }, highest };
  }
  const skipped: Skipped[] = rebuilt.value.skipped.map((each) => ({ kind: 'floating', network: uuid, ...each }));
  const isPort = ({ master, group }: Link) => master === record.bridge.index && group !== 0;
  const ownPorts = new Set([record.vxlan, record.inner.outer]);
  const ports = [...outer.filter(({ index }) => !ownPorts.has(index)), ...input.devices].filter(isPort);
  const members: RebuiltInterface[] = [];
  for (const port of ports) {
    const nic = await rebuildInterface(port, { ...input, network: record, host: reading, inside });
    if ('reason' in nic) skipped.push({ kind: 'interface', name: port.name, network: uuid, reason: nic.reason });
    else members.push(nic.value);
  }
  const named = new Set([record.bridge.index, ...ownPorts, record.egress?.outer, ...ports.map(({ index }) => index)]);
  for (const { address, pair, target } of floating) {
    const member = members.find((each) => each.record.address === target);
    named.add(pair.outer);
    const name = outer.find(({ index }) => index === pair.outer)?.name ?? address;
    if (member === undefined || !floatingBlock.contains(address)) {
      skipped.push({ kind: 'floating', name, network: uuid, reason: `no adopted interface has its target ${target}` });
    } else member.record = { ...member.record, floating: { address, pair, state: 'created' } };
  }
  const lost = outer.filter(({ index, name }) => !named.has(index) && !skipped.some((each) => each.name === name));
  skipped.push(
    ...lost.map(({ name }): Skipped => {
      return { kind: 'interface', name, network: uuid, reason: `it is not a port of ${bridgeName(outer, record)}` };
    }),
  );
  return { result: { value: { record, defaults, members, skipped } }, highest };
}

const bridgeName = (outer: readonly Link[], { bridge }: NetworkRecord) =>
  outer.find(({ index }) => index === bridge.index)?.name;

/** A name is unique within its tenant. */
function withUniqueNames(networks: RebuiltHost['networks']): RebuiltHost['networks'] {
  const seen = new Set<string>();
  return networks.map((network) => {
    const { record, defaults } = network;
    const key = JSON.stringify([record.tenant, record.name]);
    const isTaken = seen.has(key);
    seen.add(key);
    if (!isTaken) return network;
    return { ...network, record: { ...record, name: `adopted-${record.uuid}` }, defaults: [...defaults, 'name'] };
  });
}

/** The indexes of the links of the rebuilt interfaces in containers are in the range of vethwork, too. */
export const innerIndexes = (records: readonly InterfaceRecord[]): number[] =>
  records.flatMap(({ attachment }) => (attachment.kind === 'veth' ? [attachment.innerIndex] : []));
