import { closeSync, fdatasyncSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Host, Interface, Network, Pool } from '../../api/types.js';
import { openHost } from '../../index.js';
import { kernelChannel } from '../../kernel/channels.js';
import { run } from '../look.js';
import { type Entrant, timed } from '../measure.js';
import type { Fact, Scenario, Setting } from '../scenario.js';
import type { Slot, Stage } from '../stage.js';
import { quantile } from '../statistics.js';
import { VerificationError } from '../verify.js';

/** Claims, attaches and floors that alternate. */
const ROUNDS = { full: 200, quick: 5 };
/** Claims at a fixed rate per second. */
const PACED = { full: 1000, quick: 10, rate: 200 };
/** Concurrent callers that claim and release without pause, and for how long, in milliseconds. */
const CALLERS = 16;
const CHURN = { full: 5000, quick: 200 };
/** Slots of the networks beside which claims are measured, and slots per network. */
const CROWD = { full: 5000, quick: 20, perNetwork: 1000 };

/** Claims of prepared interfaces, compared in one process with attaches, the floor of an attach, and a flush to disk. */
export const slots: Scenario = {
  name: 'slots',
  title: 'Claims of prepared interfaces',
  run: async (setting) => {
    const facts: Fact[] = [];
    for (const isDurable of [false, true]) {
      const host = await openSame(setting.stage, isDurable);
      try {
        facts.push(...(await claimFacts(setting, host, isDurable)));
        if (!isDurable) facts.push(...(await churnFacts(setting, host)), ...(await crowdFacts(setting, host)));
      } finally {
        await host.close();
      }
    }
    return { cases: [], facts };
  },
};

/** Opens the host once more, with or without flushes to disk. */
const openSame = ({ folder }: Stage, synchronousCommit: boolean): Promise<Host> =>
  openHost({ stateDir: join(folder, 'state'), synchronousCommit, updateSettings: true });

/** Runs work in a network of its own without DHCP. */
async function inNetwork<Result>(host: Host, work: (network: Network) => Promise<Result>): Promise<Result> {
  const network = await host.createNetwork({ name: 'slots', netblock: '172.24.0.0/16', provideDhcp: false });
  try {
    return await work(network);
  } finally {
    await network.delete();
    await host.drained();
  }
}

/** Median, 99th percentile of durations in milliseconds. */
const distribution = (name: string, samples: readonly number[]): Fact[] => [
  { name: `${name}, median`, value: quantile(samples, 0.5), unit: 'ms' },
  { name: `${name}, p99`, value: quantile(samples, 0.99), unit: 'ms' },
];

async function claimFacts(
  { stage, entrants, quick, progress, signal }: Setting,
  host: Host,
  isDurable: boolean,
): Promise<Fact[]> {
  const [slot] = (await stage.slots(1)) as [Slot];
  const floor = entrants.find(({ peer }) => peer.name === 'floor');
  const file = openSync(join(await stage.contenderFolder('slots'), 'flushed'), 'w');
  const mode = isDurable ? 'on disk' : 'not flushed';
  const claims: number[] = [];
  const attaches: number[] = [];
  const floors: number[] = [];
  const flushes: number[] = [];
  try {
    return await inNetwork(host, async (network) => {
      const pool = await network.prepare({ kind: 'tap', min: 20, max: 100 });
      await verifyClaim(network, pool);
      for (let round = 0; round < 2 * (quick ? ROUNDS.quick : ROUNDS.full); round++) {
        signal.throwIfAborted();
        if (round % 50 === 0) progress(`slots: ${mode}, round ${round + 1}`);
        // The first half warms up the JIT compiler.
        if (round === (quick ? ROUNDS.quick : ROUNDS.full)) {
          for (const samples of [claims, attaches, floors, flushes]) samples.length = 0;
        }
        claims.push(await timedRelease(() => network.attach({ slot: pool })));
        attaches.push(await timedRelease(() => network.attach({ tap: slot.device })));
        if (floor !== undefined) floors.push(await floorOf(floor, slot));
        writeSync(file, Buffer.alloc(4096), 0, 4096, 0);
        flushes.push(await timed(async () => void fdatasyncSync(file)));
        await host.drained();
      }
      const paced: number[] = [];
      for (let count = 0; count < (quick ? PACED.quick : PACED.full); count++) {
        signal.throwIfAborted();
        const [took] = await Promise.all([
          timedRelease(() => network.attach({ slot: pool })),
          sleep(1000 / PACED.rate),
        ]);
        paced.push(took);
      }
      return [
        ...distribution(`claim, ${mode}`, claims),
        ...distribution(`attach of a tap, ${mode}`, attaches),
        ...(floors.length > 0 ? distribution(`raw floor of it, beside ${mode}`, floors) : []),
        ...(floors.length > 0
          ? [{ name: `claim, ${mode}: ratio to the floor`, value: ratio(claims, floors), unit: '' }]
          : []),
        ...(isDurable ? distribution('write and fdatasync of 4 KiB', flushes) : []),
        ...distribution(`claim at ${PACED.rate} per second, ${mode}`, paced),
      ];
    });
  } finally {
    closeSync(file);
  }
}

const ratio = (left: readonly number[], right: readonly number[]) => quantile(left, 0.5) / quantile(right, 0.5);

/** Duration of an attach. The detach is not measured. */
async function timedRelease(attach: () => Promise<Interface>): Promise<number> {
  let nic: Interface | undefined;
  const took = await timed(async () => {
    nic = await attach();
    return undefined;
  });
  await nic?.detach();
  return took;
}

async function floorOf({ contender }: Entrant, slot: Slot): Promise<number> {
  const took = await timed(async () => contender.attachTaps?.([slot]));
  await contender.detach?.([slot]);
  await contender.drain?.();
  return took;
}

/** Checks with nft that a claim opens the port, and with a trace that it sends no message about links. */
async function verifyClaim(network: Network, pool: Pool): Promise<void> {
  const operations: string[] = [];
  const note = (message: unknown) =>
    operations.push(...(message as { operations: { op: string }[] }).operations.map(({ op }) => op));
  kernelChannel.start.subscribe(note);
  const nic = await network.attach({ slot: pool });
  kernelChannel.start.unsubscribe(note);
  const { device } = nic.info;
  // Later operations are those of the refill.
  if (operations[0] !== 'nftables.batch') throw new VerificationError(`a claim begins with ${operations[0]}`);
  const closed = await run(['nft', 'list', 'set', 'bridge', 'vethwork_slots', 'closed']);
  if (closed.includes(`"${device}"`)) throw new VerificationError(`the port ${device} of a claimed slot is closed`);
  if (!closed.includes('vslot-')) throw new VerificationError('no port of a free slot is closed');
  await nic.detach();
}

/** Claims and detaches without pause, of taps that are used again and of namespaces that are used once. */
async function churnFacts({ quick, progress, signal }: Setting, host: Host): Promise<Fact[]> {
  const facts: Fact[] = [];
  for (const kind of ['tap', 'namespace'] as const) {
    progress(`slots: ${CALLERS} callers, ${kind}`);
    const churned = await inNetwork(host, async (network) => {
      const pool = await network.prepare({ kind, min: quick ? 16 : 200, max: 1000 });
      const claims: number[] = [];
      const began = performance.now();
      const end = began + (quick ? CHURN.quick : CHURN.full);
      const work = async () => {
        while (performance.now() < end && !signal.aborted) {
          claims.push(await timedRelease(() => network.attach({ slot: pool })));
        }
      };
      await Promise.all(Array.from({ length: CALLERS }, work));
      const seconds = (performance.now() - began) / 1000;
      const { misses } = await pool.status();
      return { claims, seconds, misses };
    });
    facts.push(
      {
        name: `${kind}: claims and detaches, ${CALLERS} callers`,
        value: churned.claims.length / churned.seconds,
        unit: 'per second',
      },
      { name: `${kind}: claims that found no free slot`, value: churned.misses, unit: '' },
      ...distribution(`${kind}: claim, ${CALLERS} callers`, churned.claims),
    );
  }
  return facts;
}

/** Creation of many slots, and claims beside them. */
async function crowdFacts({ quick, progress, signal }: Setting, host: Host): Promise<Fact[]> {
  const total = quick ? CROWD.quick : CROWD.full;
  const size = Math.min(total, CROWD.perNetwork);
  const networks: Network[] = [];
  try {
    const [slab, began] = [slabBytes(), performance.now()];
    for (let made = 0; made < total; made += size) {
      signal.throwIfAborted();
      progress(`slots: ${made} of ${total} slots`);
      const netblock = `172.${25 + networks.length}.0.0/16`;
      const network = await host.createNetwork({ name: `many${networks.length}`, netblock, provideDhcp: false });
      networks.push(network);
      await network.prepare({ kind: 'tap', min: size });
    }
    const seconds = (performance.now() - began) / 1000;
    const memory = (slabBytes() - slab) / total;
    const [network] = networks as [Network];
    const pool = await network.getPool('tap');
    const claims: number[] = [];
    for (let round = 0; round < (quick ? ROUNDS.quick : ROUNDS.full); round++) {
      signal.throwIfAborted();
      claims.push(await timedRelease(() => network.attach({ slot: pool })));
    }
    return [
      { name: 'slots created', value: total / seconds, unit: 'per second' },
      { name: 'memory of the kernel for a slot (slab)', value: memory / 1024, unit: 'KiB' },
      ...distribution(`claim beside ${total} slots, not flushed`, claims),
    ];
  } finally {
    for (const network of networks) await network.delete();
    await host.drained();
  }
}

function slabBytes(): number {
  const [, kib = '0'] = /^Slab: +(\d+) kB$/m.exec(readFileSync('/proc/meminfo', 'utf8')) ?? [];
  return Number(kib) * 1024;
}
