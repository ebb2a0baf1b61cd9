import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { runtimeRoot } from '../../src/dnsmasq/index.js';
import { type InterfaceRecord, keys, type NetworkRecord } from '../../src/records/records.js';
import { openLmdbStore } from '../../src/store/lmdb.js';
import type { Store } from '../../src/store/store.js';
import { attempt } from '../support/attempt.js';
import { TestHost } from '../support/host.js';
import { onOtherBoot } from '../support/other-boot.js';
import { audit } from './audit.js';
import type { Campaign } from './campaign.js';
import type { MachineOrder, Note } from './crash-machine-child.js';
import type { Random } from './random.js';

/** Longest time between the opening of the host and the failure, in milliseconds. */
const LONGEST_LIFE = 400;
const SECTOR = 512;

/**
 * Lets a machine fail again and again: the process is killed, the kernel loses its state, and the log is as of its last flush,
 * with any of the sectors that were written since. Acknowledged calls must have lasted. Resolves to the number of failures.
 * @param program path of the compiled crash-machine-child.ts
 */
export async function failMachine(program: string, campaign: Campaign, random: Random, count: number): Promise<number> {
  const machine = await TestHost.create({ deletionHalo: 0 });
  const folder = await mkdtemp(join(tmpdir(), 'vethwork-machine-'));
  const { stateDir: state } = machine.options;
  const prefix = `c5${campaign.seed.toString(16).padStart(8, '0').slice(-6)}`;
  const [bootFile, copy, notes] = ['boot_id', 'copy', 'notes'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  let failures = 0;
  try {
    for (; failures < count && !campaign.expired(0); failures++) {
      await writeFile(bootFile, `${randomUUID()}\n`);
      const order: MachineOrder = { options: machine.options, seed: random.fork(), prefix, copy, notes };
      await liveAndDie(bootFile, program, order, random.next() * LONGEST_LIFE);
      await loseWrites(state, copy, random);
      await loseKernel(machine, state, prefix);
      const store = await openLmdbStore(state);
      for (const text of await lost(store, notes)) campaign.finding(`after ${failures + 1} failures: ${text}`);
      const host = await machine.open();
      for (const { error, description } of await host.reconcile()) {
        campaign.finding(
          `after ${failures + 1} failures, still to be repaired: ${description} ${error?.message ?? ''}`,
        );
      }
      const stage = { store, state, node: machine.node.name, guests: [], links: ['lo', 'eth0'], prefix };
      for (const text of await audit(stage)) campaign.finding(`after ${failures + 1} failures: ${text}`);
      await store.close();
      for (const { uuid } of await host.listNetworks()) await (await host.getNetwork(uuid)).delete();
      await machine.close();
      await rm(notes, { force: true });
    }
    return failures;
  } finally {
    await machine.open();
    await machine.remove();
    await rm(folder, { recursive: true, force: true });
  }
}

async function liveAndDie(bootFile: string, program: string, order: MachineOrder, life: number): Promise<void> {
  const [file, args] = onOtherBoot(bootFile, process.execPath, program, JSON.stringify(order));
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 2] });
  const ended = once(child, 'exit');
  await Promise.race([once(child.stdout as NodeJS.ReadableStream, 'data'), ended]);
  await Promise.race([sleep(life), ended]);
  child.kill('SIGKILL');
  await ended;
}

/** Replaces the log by what is on the disk: the copy, and some sectors of what was written since. */
async function loseWrites(state: string, copy: string, random: Random): Promise<void> {
  const names = (await readdir(state)).filter((name) => /^store\.log\.\d+$/.test(name));
  const path = join(state, names[0] as string);
  const [flushed, written] = [await readFile(copy), await readFile(path)];
  const kept = Buffer.alloc(Math.max(flushed.length, written.length));
  flushed.copy(kept);
  const share = random.next();
  for (let at = 0; at < written.length; at += SECTOR) {
    if (random.chance(share)) written.copy(kept, at, at, at + SECTOR);
  }
  await writeFile(path, kept);
  await writeFile(join(state, 'store.mdb'), 'damaged');
}

/** Removes all kernel objects, processes and runtime files of the host. */
async function loseKernel({ node }: TestHost, state: string, prefix: string): Promise<void> {
  for (const name of (await readdir('/run/netns')).filter((each) => each.startsWith(prefix))) {
    await attempt('ip', 'netns', 'delete', name);
  }
  const links = JSON.parse(await node.run('ip', '-j', 'link')) as { ifname: string }[];
  for (const { ifname } of links.filter((link) => !['lo', 'eth0'].includes(link.ifname))) {
    // The other end of a veth is gone with the first one.
    await node.attempt('ip', 'link', 'delete', ifname);
  }
  await node.run('nft', 'flush', 'ruleset');
  await rm(await runtimeRoot(state), { recursive: true, force: true });
}

/** Describes the acknowledged calls that the store does not show. */
async function lost(store: Store, notes: string): Promise<string[]> {
  const networks = (await store.list<NetworkRecord>(keys.networks)).map(({ value }) => value);
  const nics = (await store.list<InterfaceRecord>(keys.interfaces)).map(({ value }) => value);
  const live = new Set<string>(
    [...networks, ...nics].filter(({ state }) => state !== 'deleting').map(({ uuid }) => uuid),
  );
  for (const { uuid, floating } of nics) if (floating !== undefined) live.add(`${uuid} ${floating.address}`);
  const state = new Map<string, 'there' | 'leaving' | 'gone'>();
  const found: string[] = [];
  const lines = (await readFile(notes, 'utf8').catch(() => '')).split('\n').filter(Boolean);
  for (const line of lines) {
    const noted = JSON.parse(line) as Note;
    if ('surprise' in noted) found.push(`an error: ${noted.surprise}`);
    else
      for (const [key, what] of Object.entries(noted)) state.set(what as string, key as 'there' | 'leaving' | 'gone');
  }
  for (const [what, last] of state) {
    if (last === 'there' && !live.has(what)) found.push(`${what} was acknowledged and is lost`);
    if (last === 'gone' && live.has(what)) found.push(`the removal of ${what} was acknowledged and is lost`);
  }
  return found;
}
