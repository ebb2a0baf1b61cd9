import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { NetworkSpec } from '../contender.js';
import { linkNames } from './names.js';

/** Writes the configuration of a network's dnsmasq, as the walk-through shows it. Not measured. */
export async function dnsmasqConfig(folder: string, spec: NetworkSpec): Promise<string> {
  const file = join(folder, `${spec.uuid}.conf`);
  const start = spec.netblock.slice(0, spec.netblock.indexOf('/'));
  const lines = [
    'user=root',
    'port=0',
    'no-resolv',
    'bind-interfaces',
    `interface=${linkNames(spec).vethInner}`,
    'except-interface=lo',
    `dhcp-range=${start},static,255.255.255.0,1h`,
    `dhcp-leasefile=${file}.leases`,
    `pid-file=${file}.pid`,
  ];
  await writeFile(file, `${lines.join('\n')}\n`);
  return file;
}

/** A shell command that stops dnsmasq and waits until it has ended. A running dnsmasq would keep the namespace. */
export function stopDnsmasq(config: string): string {
  return `p=$(cat ${config}.pid) && kill $p && while kill -0 $p 2>/dev/null; do :; done`;
}
