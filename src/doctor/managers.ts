import { access, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Check, Finding } from './finding.js';

/* Network managers that may configure the links of vethwork. */

/** Examples of link names of networks on the host. */
const OURS: readonly (readonly [name: string, kind: string])[] = [
  ['egr-br-eth0', 'bridge'],
  ['br-vxlan-00abcd', 'bridge'],
  ['vxlan-00abcd', 'vxlan'],
  ['veth-00abcd-o', 'veth'],
  ['egr-00abcd-o', 'veth'],
  ['flt-c0a80f1d-o', 'veth'],
  ['vnet-40000001', 'veth'],
];

const exists = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  );

/** In order of precedence: a file hides files of the same name in later folders (systemd.network(5)). */
const FOLDERS = [
  'etc/systemd/network',
  'run/systemd/network',
  'usr/local/lib/systemd/network',
  'usr/lib/systemd/network',
];

export const networkd: Check = async ({ netns, root }) => {
  if (netns !== undefined || !(await exists(join(root, 'run/systemd/netif/state')))) return [];
  const files = new Map<string, string>();
  for (const folder of FOLDERS) {
    const names = await readdir(join(root, folder)).catch((): string[] => []);
    for (const name of names.filter((each) => each.endsWith('.network'))) {
      if (!files.has(name)) files.set(name, join(folder, name));
    }
  }
  // The first file that matches a link applies.
  const taken = new Map<string, string[]>();
  for (const [name, kind] of OURS) {
    for (const file of [...files.keys()].sort()) {
      const path = files.get(file) as string;
      const text = await readFile(join(root, path), 'utf8').catch(() => '');
      if (!matches(text, name, kind)) continue;
      if (!/^\s*Unmanaged\s*=\s*(yes|true|1|on)/im.test(text)) taken.set(path, [...(taken.get(path) ?? []), name]);
      break;
    }
  }
  return [...taken].map(
    ([path, names]): Finding => ({
      severity: 'error',
      code: 'networkd',
      subject: `/${path}`,
      problem: `/${path} makes systemd-networkd manage links of networks (such as ${names.join(', ')}): it changes their addresses and settings`,
      remedy:
        'add a .network file that sorts before it, with Name=egr-* br-vxlan-* vxlan-* veth-* flt-* vnet-* and Unmanaged=yes',
    }),
  );
};

/** True if all conditions of the [Match] section of a .network file match a link. */
function matches(text: string, name: string, kind: string): boolean {
  const section = /^\s*\[Match\]\s*$([\s\S]*?)(?=^\s*\[|$(?![\s\S]))/m.exec(text)?.[1] ?? '';
  const conditions = [...section.matchAll(/^\s*(\w+)\s*=\s*(.*?)\s*$/gm)].map(([, key = '', value = '']) => [
    key,
    value,
  ]);
  if (conditions.length === 0) return false;
  return conditions.every(([key, value = '']) => {
    if (key === 'Name') return anyPattern(value, name);
    if (key === 'Kind') return anyPattern(value, kind);
    if (key === 'Type') return anyPattern(value, kind === 'bridge' ? 'bridge' : 'ether');
    // Other conditions (driver, MAC, path) don't match virtual links.
    return false;
  });
}

/** Shell patterns separated by spaces. A leading `!` inverts the whole list (systemd.network(5)). */
function anyPattern(value: string, text: string): boolean {
  const isInverted = value.startsWith('!');
  const patterns = value.replace(/^!/, '').split(/\s+/).filter(Boolean);
  const isAny = patterns.some((pattern) => globOf(pattern).test(text));
  return isAny !== isInverted;
}

function globOf(pattern: string): RegExp {
  const escaped = pattern
    .replace(/[.+^${}()|\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${escaped}$`);
}

export const networkManager: Check = async ({ netns, root }) => {
  if (netns !== undefined || !(await exists(join(root, 'run/NetworkManager')))) return [];
  const folders = ['etc/NetworkManager/conf.d', 'run/NetworkManager/conf.d', 'usr/lib/NetworkManager/conf.d'];
  const files = [
    'etc/NetworkManager/NetworkManager.conf',
    ...(
      await Promise.all(
        folders.map(async (folder) => (await list(join(root, folder))).map((file) => join(folder, file))),
      )
    ).flat(),
  ];
  const texts = await Promise.all(files.map((file) => readFile(join(root, file), 'utf8').catch(() => '')));
  const isLeftAlone = texts.some((text) =>
    /^\s*unmanaged-devices\s*=.*(br-vxlan|\bveth|interface-name:\*)/m.test(text),
  );
  if (isLeftAlone) return [];
  return [
    {
      severity: 'note',
      code: 'network-manager',
      subject: 'NetworkManager',
      problem: 'NetworkManager runs, and its configuration does not exclude the links of networks',
      remedy:
        'in /etc/NetworkManager/conf.d: [keyfile] unmanaged-devices=interface-name:egr-*;interface-name:br-vxlan-*;interface-name:vxlan-*;interface-name:veth-*;interface-name:flt-*;interface-name:vnet-*',
    },
  ];
};

const list = (folder: string) => readdir(folder).catch((): string[] => []);

/** VMware reserves the port 8472, and its virtual NIC miscomputes checksums inside VXLAN. */
export const vmware: Check = async ({ netns, root, vxlanPort, egressNic }) => {
  if (netns !== undefined) return [];
  const vendor = await readFile(join(root, 'sys/class/dmi/id/sys_vendor'), 'utf8').catch(() => '');
  if (!vendor.startsWith('VMware')) return [];
  const offload: Finding = {
    severity: 'note',
    code: 'vxlan-offload',
    subject: egressNic ?? 'the mesh NIC',
    problem: 'some versions of the virtual NIC of VMware corrupt the checksums of packets in VXLAN',
    remedy: `if TCP between hosts fails but ping works: ethtool -K ${egressNic ?? '<mesh NIC>'} tx-checksum-ip-generic off`,
  };
  if (vxlanPort !== 8472) return [offload];
  const problem = 'VMware drops packets of UDP port 8472: hosts do not reach each other';
  return [offload, { severity: 'error', code: 'vxlan-port', subject: 'vxlanPort', problem, remedy: 'use 4789' }];
};
