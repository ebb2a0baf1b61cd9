import { randomUUID } from 'node:crypto';
import type { Services } from '../dnsmasq/index.js';
import type { FoundNamespace, NamespaceFinder } from '../host/namespace-finder.js';
import { hostMac, isMac } from '../ipam/mac.js';
import { parseNetblock } from '../ipam/netblock.js';
import type { Kernel } from '../kernel/kernel.js';
import type { Link } from '../kernel/link/index.js';
import type { TunReport } from '../kernel/link/tun.js';
import { MAIN_TABLE } from '../kernel/route.js';
import type { DesiredAttachment } from '../plan/desired.js';
import { DEFAULT_MODEL, tapOptions } from '../plan/interface.js';
import { factsOfAlias, isSlotNamespaceName, networkOfAlias } from '../plan/names.js';
import { SLOT_TABLE } from '../plan/slots.js';
import type { InterfaceRecord, NetworkRecord } from '../records/records.js';
import { isUuid } from '../util/validate.js';
import { addressesOf, elementsOf, type Reading, type Rebuilt, readNamespace } from './reading.js';

/** An interface that the kernel describes completely. */
export interface RebuiltInterface {
  record: InterfaceRecord;
  /** Names of properties that got a default value, because the kernel does not know them. */
  defaults: string[];
}

/** What the reconstruction of an interface needs. */
export interface InterfaceInput {
  kernel: Kernel;
  finder: NamespaceFinder;
  network: NetworkRecord;
  /** The namespace of the host, and that of the network. */
  host: Reading;
  inside: Reading;
  services: Services | undefined;
}

/** Rebuilds the record of an interface from its link on the host. A link without the alias is a device of others. */
export async function rebuildInterface(link: Link, input: InterfaceInput): Promise<Rebuilt<RebuiltInterface>> {
  const { host, inside, network, services } = input;
  if (elementsOf(host, `bridge ${SLOT_TABLE}`, 'closed').some(({ key }) => key === link.name)) {
    return { reason: 'it is a free slot of a pool, and pools are not adopted: remove it with purge' };
  }
  const facts = factsOfAlias(link.alias);
  const isOwn = networkOfAlias(link.alias) === network.uuid;
  const container = isOwn && link.kind === 'veth' ? await findContainer(link, input) : undefined;
  if (container !== undefined && 'reason' in container) return container;
  const [guarded] = pairsOf(host, 'macs', link.name);
  const reservations = services?.reservations ?? [];
  const mac =
    guarded?.[1] ??
    textOf(facts.mac) ??
    container?.value.peer.address ??
    reservations.find((each) => hostMac(each.mac) === link.address)?.mac;
  if (!isMac(mac)) return { reason: 'its MAC is not known: it has no anti-spoofing and no reservation' };
  const reservation = reservations.find((each) => each.mac === mac);
  const addresses = pairsOf(host, 'addresses', link.name).flatMap(([, , each]) => each ?? []);
  const address = textOf(facts.address) ?? reservation?.address ?? ownAddress(network, inside, mac, addresses);
  if (address === undefined) return { reason: 'its address is not known: it has no anti-spoofing and no reservation' };
  const uuid = textOf(facts.interface);
  const order = Number(facts.order ?? 0);
  const attachment = await attachmentOf(link, isOwn, { ...input, container: container?.value, address, order });
  const hostname = reservation?.hostname;
  return {
    value: {
      record: {
        uuid: uuid !== undefined && isUuid(uuid) ? uuid : randomUUID(),
        network: network.uuid,
        ...{ attachment, mac, address, order },
        model: textOf(facts.model) ?? DEFAULT_MODEL,
        ...(guarded && { guard: { allowedAddresses: addresses.filter((each) => each !== address) } }),
        ...(hostname !== undefined && { hostname }),
        ...(container?.value.peer.inet?.arpNotify === 0 && { isFirstOwner: true }),
        metadata: {},
        state: 'created',
      },
      defaults: [
        ...(uuid === undefined ? ['uuid'] : []),
        ...(services === undefined ? ['hostname'] : []),
        ...(attachment.kind === 'device' ? ['settings before the attachment'] : []),
      ],
    },
  };
}

const textOf = (fact: string | number | undefined) => (fact === undefined ? undefined : String(fact));

/** Returns the keys of the guard's elements about a port. */
function pairsOf(host: Reading, set: string, port: string): string[][] {
  return elementsOf(host, 'bridge vethwork', set)
    .map(({ key }) => [key].flat().map(String))
    .filter(([name]) => name === port);
}

/** The network's namespace has a permanent entry for the own address of a guarded interface, not for allowed ones. */
function ownAddress(
  { inner, netblock }: NetworkRecord,
  inside: Reading,
  mac: string,
  addresses: readonly string[],
): string | undefined {
  const entry = inside.neighbours.find(
    ({ index, address, state }) => index === inner.inner && address === mac && state === 'permanent',
  );
  if (entry?.destination !== undefined) return entry.destination;
  const block = parseNetblock('netblock', netblock);
  const [only, ...others] = addresses.filter((each) => block.contains(each));
  return others.length === 0 ? only : undefined;
}

interface Container extends FoundNamespace {
  /** The end of the pair in the container. */
  peer: Link;
}

async function findContainer(link: Link, { finder }: InterfaceInput): Promise<Rebuilt<Container>> {
  const found = link.linkNamespaceId === undefined ? undefined : await finder.find(link.linkNamespaceId);
  const peer = found?.links.find(({ index, kind }) => index === link.link && kind === 'veth');
  if (found !== undefined && peer !== undefined) return { value: { ...found, peer } };
  return { reason: 'no path leads to the namespace of its container' };
}

async function attachmentOf(
  link: Link,
  isOwn: boolean,
  input: InterfaceInput & { container: Container | undefined; address: string; order: number },
): Promise<DesiredAttachment> {
  const { index, name, kind, mtu, address } = link;
  const { container } = input;
  if (container !== undefined) return containerAttachment(index, container, input);
  if (isOwn && kind === 'tun') {
    return { kind: 'tap', name, index, ...tapOptions(link.data as Partial<TunReport>) };
  }
  // Its settings before the attachment are not known. A detach leaves it up, with the MTU of the network.
  const before = { mtu, up: true, group: 0 };
  return { kind: 'device', name, index, ...(isMac(address) && { mac: address }), before };
}

async function containerAttachment(
  index: number,
  { netns, identity, peer }: Container,
  { kernel, network, address, order }: InterfaceInput & { address: string; order: number },
): Promise<DesiredAttachment> {
  const there = await readNamespace(kernel, netns);
  // vethwork configures a container with a permanent entry for the gateway.
  const configure =
    addressesOf(there, peer.index).some((each) => each.split('/')[0] === address) &&
    there.neighbours.some(
      ({ index: at, destination, state }) =>
        at === peer.index && destination === network.gateway && state === 'permanent',
    );
  const route = there.routes.find(
    ({ index: at, gateway, destination, table = MAIN_TABLE }) =>
      at === peer.index &&
      gateway === network.gateway &&
      table === MAIN_TABLE &&
      /^(default|0\.0\.0\.0\/0)$/.test(destination),
  );
  const { metric = 0 } = route ?? {};
  return {
    ...{ kind: 'veth', index, netns, ...(identity !== undefined && { identity }) },
    ...{ innerName: peer.name, innerIndex: peer.index, configure },
    ...(isSlotNamespaceName(String(netns)) && { isOwned: true }),
    ...(configure && route !== undefined && metric !== order && { metric }),
  };
}
