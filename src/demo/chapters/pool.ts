import { setTimeout as sleep } from 'node:timers/promises';
import type { Pool, PoolOptions } from '../../api/types.js';
import type { Chapter, Scene } from '../scene.js';
import { inside, json, run, start } from '../tools.js';

/** Number of slots, and of claims at once. */
const SLOTS = 50;
/** Processes that are killed while they claim: after these parts of the time that one needs. */
const KILLS = [0.5, 0.6, 0.7, 0.8, 0.9, 1];

export const slotPool: Chapter = {
  title: 'A pool of prepared interfaces',
  text: `A pool keeps complete interfaces of the network: slots. Nothing passes the port of a free slot. A claim creates
    nothing. It writes one record, and deletes one element of an nftables set, which opens the port.`,
  async play(scene) {
    const { network, signal } = scene;
    const prepare = (options: PoolOptions) => network.prepare({ ...options, signal });
    const pool = await scene.call('network.prepare', prepare, { kind: 'tap', min: SLOTS, max: SLOTS });
    scene.equal(`${SLOTS} slots are free`, (await pool.status()).free, SLOTS);
    scene.equal('the ports of all of them are closed', (await closedPorts(scene)).length, SLOTS);
    await claimAll(scene, pool);
    await crash(scene, pool);
    await pool.delete();
    scene.equal('the pool is deleted with its slots', [await network.listPools(), await closedPorts(scene)], [[], []]);
  },
};

/** A burst of claims, and their release. */
async function claimAll(scene: Scene, pool: Pool): Promise<void> {
  const { network } = scene;
  scene.say(`${SLOTS} instances start at once, and each claims a slot:`);
  const began = performance.now();
  const claims = await Promise.all(
    Array.from({ length: SLOTS }, async (_, position) => {
      const nic = await network.attach({ slot: pool, instance: `burst-${position}` });
      return { nic, time: performance.now() - began };
    }),
  );
  const times = claims.map(({ time }) => time).sort((left, right) => left - right);
  const [median, last] = [times[SLOTS / 2], times.at(-1)].map((time) => time?.toFixed(1));
  scene.print(`after ${median} ms half of them have their interface, after ${last} ms all`);
  scene.equal('no slot is claimed twice', new Set(claims.map(({ nic }) => nic.info.device)).size, SLOTS);
  const closed = new Set(await closedPorts(scene));
  scene.equal(
    'the ports of claimed slots are open',
    claims.filter(({ nic }) => closed.has(nic.info.device)).map(({ nic }) => nic.info.device),
    [],
  );
  await Promise.all(claims.map(({ nic }) => nic.detach()));
  scene.equal('released slots are closed, and free again', await settled(scene, pool, 0), [SLOTS, 0]);
}

/** Processes that are killed in the middle of a claim. */
async function crash(scene: Scene, pool: Pool): Promise<void> {
  const { network, host } = scene;
  const claim = cli(scene, 'pool', 'claim', network.uuid, pool.uuid);
  scene.say('Another process claims a slot:');
  scene.print(`host$ vethwork ${claim.slice(2).join(' ')}`);
  const began = performance.now();
  await run(claim, scene.signal);
  const needed = performance.now() - began;
  scene.say(`${KILLS.length} more do so, and are killed at different times. Their slots outlive them.`);
  for (const part of KILLS) {
    const process = start(claim);
    await sleep(part * needed);
    await process.kill();
  }
  scene.say('reconcile() completes or undoes what was interrupted:');
  await scene.call('host.reconcile', () => host.reconcile());
  const adopted = (await host.listInterfaces()).filter((nic) => nic.pool === pool.uuid && nic.state !== 'free');
  scene.print(`${adopted.length - 1} of the killed processes had claimed a slot`);
  const states = new Set(adopted.map(({ state }) => state));
  scene.equal('each claimed slot is complete', [...states], ['created']);
  scene.equal('nothing is left to repair', await host.reconcile({ dryRun: true }), []);
  scene.equal('exactly the free slots are closed', await settled(scene, pool, adopted.length), [SLOTS, adopted.length]);
  for (const { uuid } of adopted) await (await host.getInterface(uuid)).detach();
  scene.equal('another process can release them', await settled(scene, pool, 0), [SLOTS, 0]);
}

/**
 * Waits until the pool is full, and until exactly its free slots are closed. Resolves to the numbers of closed ports and
 * claimed slots.
 */
async function settled(scene: Scene, pool: Pool, claimed: number): Promise<[closed: number, claimed: number]> {
  for (let tries = 0; ; tries++) {
    const status = await pool.status();
    const closed = (await closedPorts(scene)).length;
    const isSettled = closed === status.free && status.free === SLOTS && status.claimed === claimed;
    if (isSettled || tries === 100) return [closed, status.claimed];
    await sleep(100, undefined, { signal: scene.signal });
  }
}

/** The ports of free slots by nft. */
async function closedPorts({ stage }: Scene): Promise<string[]> {
  const list = ['nft', '-j', 'list', 'set', 'bridge', 'vethwork_slots', 'closed'];
  const { nftables } = await json<{ nftables: { set?: { elem?: string[] } }[] }>(inside(stage.host, ...list));
  return nftables.flatMap(({ set }) => set?.elem ?? []);
}

/** The command line of `vethwork` for the host of the stage. */
function cli({ stage }: Scene, ...command: string[]): string[] {
  const { stateDir, netns, egressNic } = stage.hostOptions;
  const options = ['--state-dir', stateDir, '--host-netns', String(netns), '--egress-nic', String(egressNic)];
  return [process.execPath, String(process.argv[1]), ...options.map(String), ...command];
}
