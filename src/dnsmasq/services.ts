import { readdirSync, readFileSync, statSync } from 'node:fs';
import { isConfigFile, runtimePaths } from './paths.js';
import type { Reservation } from './types.js';

/** What the files of a network's dnsmasq say about the network. */
export interface Services {
  provideDhcp: boolean;
  provideDns: boolean;
  /** Resolvers of the instances. */
  dnsServers: string[];
  domain?: string;
  reservations: Reservation[];
}

/**
 * Reads the files that `renderConfig` has written, after the state folder was lost. Undefined if there are none.
 * @param root runtime folder of a host
 */
export function readServices(root: string, network: string): Services | undefined {
  const paths = runtimePaths(root, network);
  try {
    const files = readdirSync(paths.folder).map((name) => `${paths.folder}/${name}`);
    const [newest] = files
      .filter((file) => isConfigFile(paths, file))
      .sort((left, right) => statSync(right).mtimeMs - statSync(left).mtimeMs);
    if (newest === undefined) return undefined;
    const lines = readFileSync(newest, 'utf8').split('\n');
    const values = (name: string) =>
      lines.flatMap((line) => (line.startsWith(`${name}=`) ? [line.slice(name.length + 1)] : []));
    // Option 6: resolvers (RFC 2132).
    const offered = values('dhcp-option').filter((option) => option.startsWith('6,'));
    const provideDns = !values('port').includes('0');
    const [domain] = values('domain');
    const servers = provideDns ? values('server') : offered.flatMap((option) => option.split(',').slice(1));
    const provideDhcp = values('dhcp-range').length > 0;
    const reservations = reservationsOf(readFileSync(paths.dhcpHosts, 'utf8'), domain);
    return { provideDhcp, provideDns, dnsServers: servers, ...(domain !== undefined && { domain }), reservations };
  } catch {
    return undefined;
  }
}

function reservationsOf(text: string, domain = ''): Reservation[] {
  return text.split('\n').flatMap((line) => {
    const [mac, , address, name] = line.split(',');
    if (mac === undefined || address === undefined) return [];
    const suffix = `.${domain}`;
    const hostname = name?.endsWith(suffix) ? name.slice(0, -suffix.length) : undefined;
    return [{ mac, address, ...(hostname !== undefined && { hostname }) }];
  });
}
