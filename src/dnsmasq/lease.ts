/** A line of dnsmasq's lease file. */
export interface Lease {
  /** Seconds since 1970. 0: never expires. */
  expires: number;
  mac: string;
  address: string;
  hostname?: string;
  /** DHCP option 61 as the client sent it: pairs of hexadecimal digits with colons. */
  clientId?: string;
}

/** Parses a lease file. Ignores lines that are not leases of IPv4 addresses over Ethernet. */
export function parseLeases(text: string): Lease[] {
  return text.split('\n').flatMap((line) => parseLease(line) ?? []);
}

/** Returns a lease file without the unwanted leases. All other lines are unchanged. */
export function withoutLeases(text: string, unwanted: (lease: Lease) => boolean): string {
  const keep = (line: string) => {
    const lease = parseLease(line);
    return lease === undefined || !unwanted(lease);
  };
  return text.split('\n').filter(keep).join('\n');
}

function parseLease(line: string): Lease | undefined {
  const [expires, mac, address, hostname, clientId] = line.trim().split(/\s+/);
  if (!/^\d+$/.test(expires ?? '') || !/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(mac ?? '')) return undefined;
  if (mac === undefined || address === undefined || !/^\d+(\.\d+){3}$/.test(address)) return undefined;
  const lease: Lease = { expires: Number(expires), mac: mac.toLowerCase(), address };
  if (hostname !== undefined && hostname !== '*') lease.hostname = hostname;
  if (clientId !== undefined && /^[0-9a-f]{2}(:[0-9a-f]{2})*$/i.test(clientId)) lease.clientId = clientId.toLowerCase();
  return lease;
}
