import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Interface, Network } from '../../src/index.js';
import { eventually, TestNamespace } from '../support/namespaces.js';
import { Ear, pings } from '../support/traffic.js';
import { type Instance, Walkthrough } from '../support/walkthrough.js';
import { qemu } from './qemu.js';

const NEIGHBOUR = '172.16.0.2';
/** The guest as it was saved. */
const GUEST = { tap: 'tap0', mac: '02:00:00:00:00:03', address: '172.16.0.3', gateway: '172.16.0.1' };

let stage: Walkthrough;
let network: Network;
let neighbour: Instance;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vethwork-clone-'));
  stage = await Walkthrough.open();
  network = await stage.network();
  neighbour = await stage.container(network, 'neighbour', { address: NEIGHBOUR });
});
afterAll(async () => {
  await stage?.[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

/** Starts a guest on the tap of a namespace, with a monitor. */
const startGuest = (at: TestNamespace, name: string, ...more: string[]) =>
  stage.start(
    at,
    ...qemu({ tap: GUEST.tap, mac: GUEST.mac, append: `neighbour=${NEIGHBOUR} saved` }),
    ...['-monitor', `unix:${join(folder, name)},server,nowait`, ...more],
  );

/** Sends a command to the monitor of QEMU, and resolves to what it prints. Empty if QEMU has no monitor yet. */
async function command(name: string, text: string): Promise<string> {
  const socket = connect(join(folder, name));
  let answer = '';
  socket.setEncoding('utf8').on('data', (chunk) => {
    answer += chunk;
  });
  socket.on('error', () => socket.destroy());
  socket.write(`${text}\n`);
  // The prompt, before and after the command.
  while (answer.split('(qemu)').length < 3 && !socket.closed) await sleep(50);
  socket.destroy();
  return answer;
}

/** True at last: an emulated machine may need seconds for an answer. */
const answers = (from: TestNamespace, address: string) => eventually(() => pings(from, address), 120_000);

const ECHO = 'icmp[icmptype] = icmp-echo';

test('three copies of a saved virtual machine run side by side, each at its own address', async () => {
  // The original has its address by DHCP: the interface and its guest have the same MAC and address.
  const original = await network.attach({
    tap: GUEST.tap,
    mac: GUEST.mac,
    address: GUEST.address,
    hostname: 'original',
  });
  const machine = startGuest(stage.machine, 'original');
  await machine.until(/VM ready/, 300_000);
  expect(await answers(neighbour.namespace, GUEST.address)).toBe(true);
  await command('original', 'stop');
  await command('original', `migrate "exec:cat > ${join(folder, 'saved')}"`);
  await machine.stop();
  await original.detach();

  const pool = await network.prepare({ kind: 'clone', min: 3, guest: GUEST });
  await using ear = await Ear.open(neighbour.namespace, 'eth0', '-Q', 'in', ECHO);
  const copies: Interface[] = [];
  for (const name of ['copy1', 'copy2', 'copy3']) {
    const nic = await network.attach({ slot: pool, hostname: name });
    const namespace = TestNamespace.named(basename(nic.info.netns as string));
    startGuest(namespace, name, '-incoming', `exec:cat ${join(folder, 'saved')}`);
    // It was saved while it was stopped, and is loaded in the state `inmigrate`.
    await eventually(async () => /VM status: paused(?! \(inm)/.test(await command(name, 'info status')), 120_000);
    await command(name, 'cont');
    copies.push(nic);
  }
  for (const { info } of copies) {
    // The copies run on where the original was stopped: each pings the neighbour, and is seen with its own address.
    await ear.until(new RegExp(` ${info.address} > ${NEIGHBOUR}: ICMP echo request`), 120_000);
    expect(await answers(neighbour.namespace, info.address)).toBe(true);
  }
  expect(new Set(copies.map(({ info }) => info.address)).size).toBe(3);
  for (const [position, nic] of copies.entries()) {
    await nic.float({ address: `192.168.15.${30 + position}` });
    expect(await answers(stage.outside, `192.168.15.${30 + position}`)).toBe(true);
  }
  expect((await ear.close()).filter((line) => line.includes(` ${GUEST.address} > `))).toEqual([]);
});
