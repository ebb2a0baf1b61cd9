import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { DnsmasqError } from '../errors.js';
import { addressBytes } from '../ipam/address.js';
import { hexBytes } from '../ipam/mac.js';
import type { Kernel } from '../kernel/kernel.js';
import { readIfThere, readSettled } from './files.js';
import { type Lease, parseLeases } from './lease.js';

/** Location of a lease, and the dnsmasq that assigned it. */
export interface LeaseServer {
  network: string;
  netns: string;
  /** Server identifier of its leases. */
  gateway: string;
  leaseFile: string;
}

const SERVER_PORT = 67;
const MAGIC_COOKIE = [99, 130, 83, 99];
const RELEASE = 7;
const Option = { messageType: 53, serverIdentifier: 54, clientIdentifier: 61, end: 255 } as const;
/** Shortest valid BOOTP message, in bytes (RFC 1542, 2.1). */
const LEAST_LENGTH = 300;

/** Interval of the checks whether a lease is gone, in milliseconds: a little longer than dnsmasq needs. */
const POLL = 1;

/** How long to wait for the effect of each datagram, in milliseconds. About 2.5 s in total. */
const WAITS = [25, 50, 100, 200, 300, 600, 1200];

/**
 * Builds a DHCPRELEASE (RFC 2131, 4.4.6), as the owner of the lease would send it.
 * @param transaction transaction id, 32 bits
 */
export function buildRelease(
  lease: Pick<Lease, 'mac' | 'address' | 'clientId'>,
  server: string,
  transaction: number,
): Uint8Array {
  const header = Buffer.alloc(236);
  header.set([1, 1, 6, 0]); // request, Ethernet, 6 bytes of address, no relay
  header.writeUInt32BE(transaction, 4);
  header.set(addressBytes(lease.address), 12); // ciaddr
  header.set(hexBytes(lease.mac), 28); // chaddr
  const clientId = lease.clientId === undefined ? [] : hexBytes(lease.clientId);
  const options = [
    ...MAGIC_COOKIE,
    ...[Option.messageType, 1, RELEASE],
    ...[Option.serverIdentifier, 4, ...addressBytes(server)],
    ...(clientId.length === 0 ? [] : [Option.clientIdentifier, clientId.length, ...clientId]),
    Option.end,
  ];
  const message = Buffer.alloc(Math.max(LEAST_LENGTH, header.length + options.length));
  message.set(header);
  message.set(options, header.length);
  return message;
}

/**
 * Frees a lease by a DHCPRELEASE from inside the network's namespace, and resolves when the lease file shows that it is
 * gone; at once if there is none. The loopback link must be up: the datagram goes through it, and yet counts as come
 * in through the inner veth, because that is where its destination, the gateway's address, is.
 *
 * Take the reservation away first, or the client may take the lease again.
 * @param wanted true for leases to release
 * @throws DnsmasqError if a lease is still there after several tries
 */
export async function releaseLeases(
  kernel: Pick<Kernel, 'sendDatagram'>,
  server: LeaseServer,
  wanted: (lease: Lease) => boolean,
): Promise<void> {
  const leasesIn = (text = '') => parseLeases(text).filter(wanted);
  const remaining = async () => {
    const found = leasesIn(readIfThere(server.leaseFile));
    return found.length > 0 ? found : leasesIn(await readSettled(server.leaseFile));
  };
  let leases = await remaining();
  for (const wait of WAITS) {
    if (leases.length === 0) return;
    for (const lease of leases) await sendRelease(kernel, server, lease);
    const end = performance.now() + wait;
    do {
      await sleep(POLL);
      leases = await remaining();
    } while (leases.length > 0 && performance.now() < end);
  }
  if (leases.length === 0) return;
  const addresses = leases.map((lease) => lease.address).join(', ');
  throw new DnsmasqError(server.network, `the lease of ${addresses} could not be released`);
}

function sendRelease(kernel: Pick<Kernel, 'sendDatagram'>, server: LeaseServer, lease: Lease): Promise<void> {
  return kernel.sendDatagram({
    netns: server.netns,
    sourceAddress: server.gateway,
    destination: server.gateway,
    port: SERVER_PORT,
    payload: buildRelease(lease, server.gateway, randomInt(2 ** 32)),
  });
}
