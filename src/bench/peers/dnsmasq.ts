import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { NetworkWish } from '../contender.js';
import { linkNames } from './names.js';

/** Writes the configuration of a network's dnsmasq, as the walk-through's makers have it. Not part of what is timed. */
export async function dnsmasqConfig(folder: string, wish: NetworkWish): Promise<string> {
  const file = join(folder, `${wish.uuid}.conf`);
  const start = wish.netblock.slice(0, wish.netblock.indexOf('/'));
  const lines = [
    'user=root',
    'port=0',
    'no-resolv',
    'bind-interfaces',
    `interface=${linkNames(wish).vethInner}`,
    'except-interface=lo',
    `dhcp-range=${start},static,255.255.255.0,1h`,
    `dhcp-leasefile=${file}.leases`,
    `pid-file=${file}.pid`,
  ];
  await writeFile(file, `${lines.join('\n')}\n`);
  return file;
}

/** A shell command that ends it and waits until it is gone: it would keep the namespace alive. */
export function stopDnsmasq(config: string): string {
  return `p=$(cat ${config}.pid) && kill $p && while kill -0 $p 2>/dev/null; do :; done`;
}
