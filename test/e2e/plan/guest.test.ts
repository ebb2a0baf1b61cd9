import { basename } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Interface, Network, Pool } from '../../../src/api/types.js';
import { DifferenceError, ValidationError } from '../../../src/errors.js';
import { TestGuest } from '../../support/guest.js';
import { privileged, sh, TestNamespace } from '../../support/namespaces.js';
import { rejection } from '../../support/rejection.js';
import { PYTHON, SCAPY } from '../../support/scapy.js';
import { askTcp, listen, pings, serveTcp } from '../../support/traffic.js';
import { type Instance, Walkthrough } from '../../support/walkthrough.js';

const OUTSIDE = '10.0.0.1';
const TAP = 'tap0';

/** All guests were restored from one snapshot. */
const SNAPSHOT = { mac: '06:00:ac:10:00:02', address: '172.16.0.2', gateway: '172.16.0.1' };
const RENEWAL = `
import socket, sys
${SCAPY}
mac, address, server = sys.argv[1:]
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
client.bind((address, 68))
client.settimeout(5)
hardware = bytes.fromhex(mac.replace(':', ''))
client.sendto(bytes(BOOTP(ciaddr=address, chaddr=hardware, xid=77) / DHCP(options=[('message-type', 'request'), 'end'])), (server, 67))
answer = BOOTP(client.recv(2000))
options = {option[0]: option[1] for option in answer[DHCP].options if isinstance(option, tuple)}
print(options['message-type'], answer.yiaddr, answer.ciaddr, answer.chaddr[:6].hex(':'))
`;
/** Sends a datagram to a port without a listener, and prints the error that comes back. */
const CLOSED_PORT = `
import socket, sys
asker = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
asker.connect((sys.argv[1], 9999))
asker.settimeout(5)
asker.send(b'x')
try: print('answer', asker.recv(10))
except Exception as error: print(type(error).__name__)
`;

describe.skipIf(!privileged)('guests with the same MAC and address', () => {
  let scene: Walkthrough;
  let network: Network;
  let pool: Pool;
  let neighbour: Instance;
  const guests: { name: string; nic: Interface; namespace: TestNamespace; guest: TestGuest }[] = [];

  beforeAll(async () => {
    scene = await Walkthrough.open({ options: { outboundNat: true } });
    network = await scene.network({ provideDns: false });
    neighbour = await scene.container(network, 'neighbour');
    pool = await network.prepare({ kind: 'clone', min: 2, guest: { tap: TAP, ...SNAPSHOT } });
    for (const name of ['one', 'two']) {
      const nic = await network.attach({ slot: pool, hostname: name });
      const namespace = TestNamespace.named(basename(nic.info.netns as string));
      const configuration = { ...SNAPSHOT, address: `${SNAPSHOT.address}/24` };
      const guest = await TestGuest.start({ netns: namespace.name, tap: TAP }, configuration);
      guests.push({ name, nic, namespace, guest });
    }
  });

  afterAll(async () => {
    for (const { guest } of guests) await guest.stop();
    await scene?.[Symbol.asyncDispose]();
  });

  const one = () => guests[0] as (typeof guests)[number];
  const two = () => guests[1] as (typeof guests)[number];

  it('have the same MAC and address inside, and their own outside', async () => {
    const [first, second] = await Promise.all(
      guests.map(async ({ guest }) => JSON.parse(await guest.namespace.ip('-j', 'address', 'show', 'eth0'))),
    );
    expect(first[0].address).toBe(SNAPSHOT.mac);
    expect(first[0].addr_info[0].local).toBe(SNAPSHOT.address);
    expect([second[0].address, second[0].addr_info[0].local]).toEqual([SNAPSHOT.mac, SNAPSHOT.address]);
    expect(one().nic.info.address).not.toBe(two().nic.info.address);
  });

  it('reach the gateway, the outside, their neighbours and each other', async () => {
    for (const { guest } of guests) {
      const { address } = neighbour.nic.info;
      for (const place of [SNAPSHOT.gateway, OUTSIDE, address]) {
        expect(await pings(guest.namespace, place), place).toBe(true);
      }
    }
    expect(await pings(one().guest.namespace, two().nic.info.address)).toBe(true);
    expect(await pings(neighbour.namespace, one().nic.info.address)).toBe(true);
  });

  it('reach them with the MACs that they remember from elsewhere', async () => {
    const { guest } = one();
    for (const place of [SNAPSHOT.gateway, neighbour.nic.info.address]) {
      const entry = ['neighbour', 'replace', place, 'lladdr', '02:00:00:12:34:56', 'dev', 'eth0'];
      await guest.namespace.ip(...(entry as [string]), 'nud', 'permanent');
      expect(await pings(guest.namespace, place), place).toBe(true);
      await guest.namespace.ip('neighbour', 'delete', place, 'dev', 'eth0');
    }
  });

  it('are told apart: each answers at its own address, and is seen with it', async () => {
    const here = await serveTcp(neighbour.namespace, 'neighbour');
    const servers = [here, await serveTcp(one().guest.namespace, 'one'), await serveTcp(two().guest.namespace, 'two')];
    try {
      for (const { name, nic, guest } of guests) {
        expect(await askTcp(neighbour.namespace, nic.info.address)).toContain(name);
        expect(await askTcp(guest.namespace, neighbour.nic.info.address)).toBe(`neighbour sees ${nic.info.address}`);
      }
      expect(await askTcp(one().guest.namespace, two().nic.info.address)).toBe(`two sees ${one().nic.info.address}`);
    } finally {
      for (const server of servers) await server.stop();
    }
  });

  it('have floating IPs', async () => {
    await one().nic.float({ address: '192.168.15.29' });
    const server = await serveTcp(one().guest.namespace, 'one');
    try {
      expect(await askTcp(scene.outside, '192.168.15.29')).toBe(`one sees ${OUTSIDE}`);
      expect(await askTcp(two().guest.namespace, '192.168.15.29')).toContain('one');
    } finally {
      await server.stop();
    }
    await one().nic.defloat();
    expect(await askTcp(scene.outside, '192.168.15.29')).toBe('');
  });

  it('exchange fragments and ICMP errors', async () => {
    const { address } = two().nic.info;
    await one().guest.namespace.run('ping', '-c', '2', '-s', '4000', '-W', '5', address);
    expect((await one().guest.namespace.run(PYTHON, '-c', CLOSED_PORT, address)).trim()).toBe('ConnectionRefusedError');
    const { stdout } = await one().guest.namespace.attempt('ping', '-c', '1', '-W', '3', '-t', '1', OUTSIDE);
    expect(stdout).toContain('Time to live exceeded');
  });

  it('renew their lease, of this network or of the one they were saved in', async () => {
    const { mac, address, gateway } = SNAPSHOT;
    for (const [{ guest }, server] of [[one(), gateway] as const, [two(), '172.16.0.77'] as const]) {
      const answer = await guest.namespace.run(PYTHON, '-c', RENEWAL, mac, address, server);
      expect(answer.trim(), server).toBe(`5 ${address} ${address} ${mac}`);
    }
  });

  it('send from no other address', async () => {
    const there = one();
    const places = {
      tap: [there.namespace, TAP],
      eth0: [there.namespace, 'eth0'],
    } as const;
    const heard = await listen(places, 'icmp', async () => {
      await there.guest.namespace.ip('address', 'add', '172.16.0.99/32', 'dev', 'eth0');
      await there.guest.namespace.attempt('ping', '-c', '1', '-W', '1', '-I', '172.16.0.99', OUTSIDE);
      expect(await pings(there.guest.namespace, OUTSIDE)).toBe(true);
    });
    expect(heard.tap.filter((line) => line.includes('172.16.0.99 >'))).toHaveLength(1);
    expect(heard.eth0.filter((line) => line.includes('172.16.0.99'))).toEqual([]);
    expect(heard.eth0.filter((line) => line.includes(`${there.nic.info.address} > ${OUTSIDE}`))).toHaveLength(1);
  });

  it('are repaired, and their namespaces are deleted with them', async () => {
    expect(await scene.host.reconcile({ dryRun: true })).toEqual([]);
    const { namespace, guest } = two();
    await namespace.run('nft', 'flush', 'ruleset');
    await namespace.ip('neighbour', 'delete', SNAPSHOT.address, 'dev', TAP);
    await namespace.run('sysctl', '-qw', `net.ipv4.conf.${TAP}.proxy_arp=0`);
    expect(await scene.host.reconcile()).not.toEqual([]);
    expect(await scene.host.reconcile()).toEqual([]);
    expect(await pings(guest.namespace, OUTSIDE)).toBe(true);
    const { netns } = two().nic.info;
    expect(await sh('ip', 'netns')).toContain(basename(netns as string));
    await guest.stop();
    await two().nic.detach();
    expect(await sh('ip', 'netns')).not.toContain(basename(netns as string));
    guests.pop();
  });

  it.each<[string, object, string]>([
    ['none', {}, 'guest'],
    ['a tap that is eth0', { guest: { ...SNAPSHOT, tap: 'eth0' } }, 'guest.tap'],
    ['a group MAC', { guest: { ...SNAPSHOT, tap: TAP, mac: '01:00:5e:00:00:01' } }, 'guest.mac'],
    ['a loopback address', { guest: { ...SNAPSHOT, tap: TAP, address: '127.0.0.1' } }, 'guest.address'],
    ['its own address as gateway', { guest: { ...SNAPSHOT, tap: TAP, gateway: SNAPSHOT.address } }, 'guest.gateway'],
    ['no gateway', { guest: { ...SNAPSHOT, tap: TAP, gateway: undefined } }, 'guest.gateway'],
  ])('a pool is refused with a guest that is %s', async (_what, options, field) => {
    const refused = await rejection(network.prepare({ kind: 'clone', min: 1, name: 'other', ...options } as never));
    expect(refused).toMatchObject({ code: 'ERR_VETHWORK_VALIDATION', field });
    expect(refused).toBeInstanceOf(ValidationError);
  });

  it('a guest of another kind of pool, or another guest for the same pool, is refused', async () => {
    const guest = { tap: TAP, ...SNAPSHOT };
    const other = rejection(network.prepare({ kind: 'namespace', min: 1, name: 'other', guest }));
    expect(await other).toMatchObject({ field: 'guest' });
    const changed = { ...guest, mac: '06:00:ac:10:00:03' };
    const different = await rejection(network.prepare({ kind: 'clone', min: 1, guest: changed }));
    expect(different).toBeInstanceOf(DifferenceError);
    expect(different).toMatchObject({ field: 'guest' });
    expect((await network.prepare({ kind: 'clone', min: 1, guest })).uuid).toBe(pool.uuid);
  });
});
