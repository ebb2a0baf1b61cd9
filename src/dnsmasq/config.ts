import { z } from 'zod';
import { ValidationError } from '../errors.js';
import { parseAddress } from '../ipam/address.js';
import { parseInstanceMac } from '../ipam/mac.js';
import { parseNetblock } from '../ipam/netblock.js';
import * as is from '../util/validate.js';
import type { RuntimePaths } from './paths.js';
import type { DnsmasqConfig, Reservation } from './types.js';
import type { Account } from './user.js';

/** The content of dnsmasq's files. Equal desired states give equal content, byte for byte. */
export interface RenderedConfig {
  /** The configuration file. A change requires a restart. */
  config: string;
  /** The reservations (`dhcp-hostsfile`). dnsmasq reads them again on SIGHUP. */
  dhcpHosts: string;
  /** The names (`addn-hosts`, hosts(5)). dnsmasq reads them again on SIGHUP. */
  names: string;
}

/**
 * A device that can't exist, because link names contain no slash. With a second device, dnsmasq does not bind its DHCP
 * socket to the index of the inner veth, which changes when the veth is recreated. It checks the device of each packet
 * all the same.
 */
const NO_SUCH_DEVICE = '/never-bind-to-one-device';

/**
 * Most unanswered queries. With the shortest possible queries, one instance has at most 3530 in the 10 s for which
 * dnsmasq keeps a query (`DNS_RATE` in `src/plan/ruleset.ts`).
 */
const MOST_QUERIES = 5000;

const reservation = z.strictObject({ mac: is.mac, address: is.ipv4, hostname: is.hostname.optional() });
type CheckedReservation = z.output<typeof reservation>;

/** No text that is written to a file can contain a line feed, comma, space or `#`, so nothing can be injected. */
const schema = z.strictObject({
  network: is.uuid,
  netns: is.namespaceRef.refine((netns) => typeof netns === 'string', { error: 'a namespace name or path' }),
  device: is.interfaceName.refine((name) => /^[\w.-]+$/.test(name), {
    error: 'a link name of letters, digits, -, _ and .',
  }),
  netblock: is.cidr,
  gateway: is.ipv4,
  broadcast: is.ipv4,
  mtu: is.mtu,
  domain: is.domain,
  provideDhcp: z.boolean(),
  provideNat: z.boolean(),
  provideDns: z.boolean(),
  dnsServers: z.array(is.ipv4),
  leaseTime: is.integer(120, 2 ** 31 - 1, 'a lease time in seconds'),
  reservations: z.array(reservation),
});

/**
 * Checks everything that is written to a file.
 * @returns the desired state in canonical form, with reservations sorted by address
 * @throws ValidationError
 */
export function checkConfig(desired: DnsmasqConfig): DnsmasqConfig {
  const config = is.parse(schema, desired);
  const netblock = parseNetblock('netblock', config.netblock);
  for (const field of ['gateway', 'broadcast'] as const) {
    if (!netblock.contains(config[field])) throw new ValidationError(field, config[field], `an address of ${netblock}`);
  }
  const seen = new Set<string>();
  config.reservations.forEach(({ mac, address }, index) => {
    const field = `reservations[${index}]`;
    if (!netblock.contains(address))
      throw new ValidationError(`${field}.address`, address, `an address of ${netblock}`);
    for (const [name, value] of Object.entries({ mac, address })) {
      if (seen.has(value))
        throw new ValidationError(`${field}.${name}`, value, 'a value that no other reservation has');
      seen.add(value);
    }
  });
  const reservations = config.reservations
    .map(({ mac, address, hostname }) => ({ mac, address, ...(hostname === undefined ? {} : { hostname }) }))
    .sort((a, b) => (a.address < b.address ? -1 : 1));
  return { ...config, netns: desired.netns, reservations };
}

/** Renders the files of one network's dnsmasq. Pure. @throws ValidationError */
export function renderConfig(desired: DnsmasqConfig, paths: RuntimePaths, account: Account): RenderedConfig {
  const config = checkConfig(desired);
  const lines = [
    '# Written by vethwork; changes are lost.',
    // With bind-dynamic, dnsmasq answers only on the gateway address, and only packets that arrived through the device.
    'bind-dynamic',
    `interface=${config.device}`,
    `interface=${NO_SUCH_DEVICE}`,
    'except-interface=lo',
    `user=${account.user}`,
    `group=${account.group}`,
    `pid-file=${paths.pid}`,
    // dnsmasq watches no file. With one inotify instance each, 128 networks would be the limit.
    'no-resolv',
    'no-hosts',
    `log-facility=${paths.log}`,
    ...dnsLines(config, paths),
    ...(config.provideDhcp ? dhcpLines(config, paths) : []),
  ];
  return { config: text(lines), dhcpHosts: dhcpHosts(config), names: names(config) };
}

function dnsLines(config: DnsmasqConfig, paths: RuntimePaths): string[] {
  const domain = `domain=${config.domain}`;
  if (!config.provideDns) return ['port=0', domain];
  const upstream = config.provideNat ? config.dnsServers : [];
  return [
    'port=53',
    domain,
    `local=/${config.domain}/`,
    'domain-needed',
    'bogus-priv',
    `dns-forward-max=${MOST_QUERIES}`,
    `addn-hosts=${paths.names}`,
    ...upstream.map((server) => `server=${server}`),
  ];
}

function dhcpLines(config: DnsmasqConfig, paths: RuntimePaths): string[] {
  const { network, mask, size } = parseNetblock('netblock', config.netblock);
  return [
    `dhcp-range=${network},static,${mask},${config.broadcast},${config.leaseTime}`,
    `dhcp-hostsfile=${paths.dhcpHosts}`,
    `dhcp-leasefile=${paths.leases}`,
    `dhcp-lease-max=${size}`,
    'dhcp-authoritative',
    'dhcp-rapid-commit',
    'dhcp-ignore=tag:!known',
    // Otherwise an instance could take another's name.
    'dhcp-ignore-names',
    'no-ping',
    // To answer a client without address directly, dnsmasq would replace the permanent neighbour entry by one that ages
    // (SIOCSARP).
    'dhcp-broadcast',
    'quiet-dhcp',
    `dhcp-option=1,${mask}`,
    option(3, config.provideNat ? [config.gateway] : []),
    option(6, resolvers(config)),
    `dhcp-option=15,${config.domain}`,
    // Forced, because an instance must not send larger frames even if it does not request the option.
    `dhcp-option-force=26,${config.mtu}`,
    `dhcp-option=28,${config.broadcast}`,
  ];
}

function resolvers(config: DnsmasqConfig): string[] {
  if (config.provideDns) return [config.gateway];
  return config.provideNat ? config.dnsServers : [];
}

/** A DHCP option. Without values, dnsmasq omits the option instead of sending its own address. */
function option(code: number, values: readonly string[]): string {
  return [`dhcp-option=${code}`, ...values].join(',');
}

/**
 * Lines of the files for one reservation. `id:*`: only the MAC identifies a client, so that a machine that boots by PXE
 * and then its own system keeps its lease. Names contain the domain, because dnsmasq interprets words such as `ignore`,
 * `infinite`, `42` and `5m` as keywords and lease times.
 */
const hostLine = ({ mac, address, hostname }: CheckedReservation, domain: string) =>
  [mac, 'id:*', address, ...(hostname === undefined ? [] : [`${hostname}.${domain}`])].join(',');
const nameLine = ({ address, hostname }: CheckedReservation, domain: string) =>
  hostname === undefined ? undefined : `${address} ${hostname}.${domain} ${hostname}`;

/** Renders the lines of one reservation. @throws ValidationError */
export function renderReservation(
  desired: Reservation,
  { domain }: Pick<DnsmasqConfig, 'domain'>,
): { host: string; name: string | undefined } {
  // The rules of the schema, which takes longer than everything else that is done for a reservation.
  const checked: CheckedReservation = {
    mac: parseInstanceMac('mac', desired.mac),
    address: parseAddress('address', desired.address),
    ...(desired.hostname !== undefined && { hostname: is.parse(is.hostname, desired.hostname, 'hostname') }),
  };
  return { host: hostLine(checked, domain), name: nameLine(checked, domain) };
}

/** The texts that only the lines of this reservation begin with: no two have a MAC or an address in common. */
export const reservationStart = ({ mac, address }: Pick<Reservation, 'mac' | 'address'>) => ({
  host: `${mac},`,
  name: `${address} `,
});

function dhcpHosts({ reservations, domain }: DnsmasqConfig): string {
  return text(reservations.map((each) => hostLine(each, domain)));
}

function names({ reservations, domain }: DnsmasqConfig): string {
  return text(reservations.map((each) => nameLine(each, domain)).filter((line) => line !== undefined));
}

function text(lines: readonly string[]): string {
  return lines.map((line) => `${line}\n`).join('');
}
