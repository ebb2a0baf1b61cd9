import { z } from 'zod';
import { ValidationError } from '../errors.js';
import { parseNetblock } from '../ipam/netblock.js';
import * as is from '../util/validate.js';
import type { RuntimePaths } from './paths.js';
import type { DnsmasqConfig } from './types.js';
import type { Account } from './user.js';

/** What dnsmasq is given to read, as texts. The same wish gives the same texts byte for byte. */
export interface RenderedConfig {
  /** Everything that needs a restart to change. */
  config: string;
  /** The reservations (`dhcp-hostsfile`), read again on SIGHUP. */
  dhcpHosts: string;
  /** The names (`addn-hosts`, hosts(5)), read again on SIGHUP. */
  names: string;
}

/**
 * No link can have a name with a slash. Naming a second one keeps dnsmasq from binding its DHCP socket to the inner
 * veth's index, which would leave it deaf once the veth is made anew; it checks each packet's device all the same.
 */
const NO_SUCH_DEVICE = '/never-bind-to-one-device';

/**
 * Unanswered queries. Of the shortest that there are, one instance has 3530 at most in the 10 s that dnsmasq keeps one
 * (`DNS_RATE` in `src/plan/ruleset.ts`).
 */
const MOST_QUERIES = 5000;

const reservation = z.strictObject({ mac: is.mac, address: is.ipv4, hostname: is.hostname.optional() });

/** Every text that reaches a file is of a form that holds no newline, comma, space or `#`: nothing can be injected. */
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
 * Checks everything that ends up in a file.
 * @returns the same wish in canonical form, reservations in order of address
 * @throws ValidationError
 */
export function checkConfig(wish: DnsmasqConfig): DnsmasqConfig {
  const config = is.parse(schema, wish);
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
      if (seen.has(value)) throw new ValidationError(`${field}.${name}`, value, 'one that no other reservation has');
      seen.add(value);
    }
  });
  const reservations = config.reservations
    .map(({ mac, address, hostname }) => ({ mac, address, ...(hostname === undefined ? {} : { hostname }) }))
    .sort((a, b) => (a.address < b.address ? -1 : 1));
  return { ...config, netns: wish.netns, reservations };
}

/** The files of one network's dnsmasq. Pure. @throws ValidationError */
export function renderConfig(wish: DnsmasqConfig, paths: RuntimePaths, account: Account): RenderedConfig {
  const config = checkConfig(wish);
  const lines = [
    '# Written by vethwork; changes are lost.',
    // With bind-dynamic dnsmasq answers on the gateway address only, and only what arrived through the device.
    'bind-dynamic',
    `interface=${config.device}`,
    `interface=${NO_SUCH_DEVICE}`,
    'except-interface=lo',
    `user=${account.user}`,
    `group=${account.group}`,
    `pid-file=${paths.pid}`,
    // No file below is watched: an inotify instance each would end at 128 networks.
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
    // Or an instance could take another's name.
    'dhcp-ignore-names',
    'no-ping',
    // To answer a client without address directly, dnsmasq would make its permanent neighbour one that ages (SIOCSARP).
    'dhcp-broadcast',
    'quiet-dhcp',
    `dhcp-option=1,${mask}`,
    option(3, config.provideNat ? [config.gateway] : []),
    option(6, resolvers(config)),
    `dhcp-option=15,${config.domain}`,
    // Forced: an instance must not send larger frames, whether it asks or not.
    `dhcp-option-force=26,${config.mtu}`,
    `dhcp-option=28,${config.broadcast}`,
  ];
}

function resolvers(config: DnsmasqConfig): string[] {
  if (config.provideDns) return [config.gateway];
  return config.provideNat ? config.dnsServers : [];
}

/** Without values dnsmasq leaves the option out, instead of giving its own address. */
function option(code: number, values: readonly string[]): string {
  return [`dhcp-option=${code}`, ...values].join(',');
}

/**
 * `id:*`: the MAC alone decides, so that a machine booted by PXE and then by its own system keeps its lease. Names are
 * written with their domain: dnsmasq takes words such as `ignore`, `infinite`, `42` and `5m` for keywords and lease times.
 */
function dhcpHosts(config: DnsmasqConfig): string {
  return text(
    config.reservations.map(({ mac, address, hostname }) =>
      [mac, 'id:*', address, ...(hostname === undefined ? [] : [`${hostname}.${config.domain}`])].join(','),
    ),
  );
}

function names(config: DnsmasqConfig): string {
  return text(
    config.reservations.flatMap(({ address, hostname }) =>
      hostname === undefined ? [] : [`${address} ${hostname}.${config.domain} ${hostname}`],
    ),
  );
}

function text(lines: readonly string[]): string {
  return lines.map((line) => `${line}\n`).join('');
}
