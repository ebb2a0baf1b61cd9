import { readFile } from 'node:fs/promises';
import { isAddress } from '../ipam/address.js';

/** resolv.conf(5), then the upstream servers of systemd-resolved(8), if the first has only its loopback address. */
const FILES = ['/etc/resolv.conf', '/run/systemd/resolve/resolv.conf'];

/** Returns the resolvers of this machine that instances can reach: IPv4, not loopback. */
export async function systemResolvers(files: readonly string[] = FILES): Promise<string[]> {
  for (const file of files) {
    const text = await readFile(file, 'utf8').catch(() => '');
    const servers = [...text.matchAll(/^\s*nameserver\s+(\S+)/gm)]
      .map(([, address = '']) => address)
      .filter((address) => isAddress(address) && !address.startsWith('127.') && address !== '0.0.0.0');
    if (servers.length > 0) return servers;
  }
  return [];
}
