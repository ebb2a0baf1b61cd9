import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Network } from '../../src/index.js';
import { TestNamespace } from '../support/namespaces.js';
import { Ear, pings } from '../support/traffic.js';
import { type Instance, Walkthrough } from '../support/walkthrough.js';
import { qemu } from './qemu.js';

const ADDRESS = '172.16.0.3';
const MAC = '02:00:00:00:00:03';

/** What the guest sends and must not, with filters of tcpdump and patterns of its lines. */
const FORGED = {
  'another address': ['icmp and src host 172.16.0.200', / 172\.16\.0\.200 > /],
  'ARP about the gateway': [
    `arp and ether src ${MAC} and arp[14:4] = 0xac100001`,
    /tell 172\.16\.0\.1|172\.16\.0\.1 is-at/,
  ],
  IPv6: [`ip6 and ether src ${MAC}`, new RegExp(`${MAC} > .*IPv6`)],
  'a DHCP server': [`udp dst port 68 and ether src ${MAC}`, / > 172\.16\.0\.2\.68: /],
  'another MAC': ['ether src 02:de:ad:be:ef:00', /02:de:ad:be:ef:00 > /],
} as const;

let stage: Walkthrough;
let network: Network;
let neighbour: Instance;

beforeAll(async () => {
  stage = await Walkthrough.open();
  network = await stage.network();
  neighbour = await stage.container(network, 'neighbour', { address: '172.16.0.2' });
});
afterAll(async () => {
  await stage?.[Symbol.asyncDispose]();
});

/** Boots the guest on a tap. Resolves to what it prints, and to what its neighbour hears of what it must not send. */
async function boot(antiSpoofing: boolean) {
  const nic = await network.attach({ tap: 'vm0', mac: MAC, address: ADDRESS, hostname: 'vm', antiSpoofing });
  const filters = Object.values(FORGED).map(([filter]) => `(${filter})`);
  const last = 'icmp[icmptype] = icmp-echo and src host 172.16.0.1';
  await using ear = await Ear.open(neighbour.namespace, 'eth0', '-Q', 'in', `${filters.join(' or ')} or (${last})`);
  const machine = stage.start(stage.machine, ...qemu({ tap: 'vm0', mac: MAC, append: 'neighbour=172.16.0.2' }));
  await machine.until(/VM end/, 300_000);
  await pings(TestNamespace.named(network.uuid), neighbour.nic.info.address);
  await ear.until(/ 172\.16\.0\.1 > 172\.16\.0\.2: ICMP echo request/);
  const lines = await ear.close();
  const printed = (await machine.stop()).match(/VM \w+ [\w.]+/g) ?? [];
  await nic.detach();
  const heard = Object.entries(FORGED).filter(([, [, pattern]]) => lines.some((line) => pattern.test(line)));
  return { printed, heard: heard.map(([what]) => what) };
}

const works = [`VM lease ${ADDRESS}`, 'VM gateway yes', 'VM neighbour yes'];

test('a virtual machine on a guarded tap has its lease and its network, and nothing forged leaves it', async () => {
  const { printed, heard } = await boot(true);
  expect(printed).toEqual([...works, 'VM address no', 'VM mac no', 'VM again yes']);
  expect(heard).toEqual([]);
});

test('without anti-spoofing, all of it leaves the same machine', async () => {
  const { printed, heard } = await boot(false);
  expect(printed).toEqual(expect.arrayContaining([...works, 'VM again yes']));
  expect(heard).toEqual(Object.keys(FORGED));
});
