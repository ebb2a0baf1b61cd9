import { closeSync, fdatasyncSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Host, Interface, Network, Pool } from '../../../api/types.js';
import { kernelChannel } from '../../../kernel/channels.js';
import { run } from '../../look.js';
import { type CaseResult, type Entrant, timed } from '../../measure.js';
import type { Fact, Setting } from '../../scenario.js';
import type { Slot } from '../../stage.js';
import { quantile } from '../../statistics.js';
import { VerificationError } from '../../verify.js';
import { comparison, distribution, inNetwork, timedRelease } from './common.js';
import { MemoryPool } from './memory-pool.js';

/** Claims, attaches and floors that alternate. */
const ROUNDS = { full: 200, quick: 5 };
/** Claims at a fixed rate per second. */
const PACED = { full: 1000, quick: 10, rate: 200 };
/** Slots of the pool in memory, as in E2B's orchestrator. */
const MEMORY = { full: 32, quick: 2 };

/** Claims beside attaches, floors, flushes and the pool in memory, in turns; then claims at a fixed rate. */
export async function claimFacts(
  setting: Setting,
  host: Host,
  isDurable: boolean,
): Promise<{ facts: Fact[]; compared: CaseResult }> {
  const { stage, entrants, quick, progress, signal } = setting;
  const [slot] = (await stage.slots(1)) as [Slot];
  const floor = entrants.find(({ peer }) => peer.name === 'floor');
  const file = openSync(join(await stage.contenderFolder('slots'), 'flushed'), 'w');
  const memory = new MemoryPool(stage.kernel, quick ? MEMORY.quick : MEMORY.full);
  const mode = isDurable ? 'on disk' : 'not flushed';
  const [claims, attaches, floors, flushes, gets]: [number[], number[], number[], number[], number[]] = [
    [],
    [],
    [],
    [],
    [],
  ];
  const rounds = quick ? ROUNDS.quick : ROUNDS.full;
  try {
    await memory.fill();
    return await inNetwork(host, async (network) => {
      const pool = await network.prepare({ kind: 'tap', min: 20, max: 100 });
      await verifyClaim(network, pool);
      for (let round = 0; round < 2 * rounds; round++) {
        signal.throwIfAborted();
        if (round % 50 === 0) progress(`slots: ${mode}, round ${round + 1}`);
        // The first half warms up the JIT compiler.
        if (round === rounds) for (const samples of [claims, attaches, floors, flushes, gets]) samples.length = 0;
        claims.push(await timedRelease(() => network.attach({ slot: pool })));
        attaches.push(await timedRelease(() => network.attach({ tap: slot.device })));
        if (floor !== undefined) floors.push(await floorOf(floor, slot));
        gets.push(await timedGet(memory));
        writeSync(file, Buffer.alloc(4096), 0, 4096, 0);
        flushes.push(await timed(async () => void fdatasyncSync(file)));
        await host.drained();
      }
      const paced = await pacedClaims(setting, () => timedRelease(() => network.attach({ slot: pool })));
      const middle = (samples: readonly number[]) => quantile(samples, 0.5);
      const goal = floors.length > 0 ? 0.7 * middle(floors) : 0;
      const facts = [
        ...distribution(`claim, ${mode}`, claims),
        ...distribution(`attach of a tap, ${mode}`, attaches),
        ...(floors.length > 0
          ? [
              ...distribution(`raw floor of it, beside ${mode}`, floors),
              { name: `claim, ${mode}: ratio to the floor`, value: middle(claims) / middle(floors), unit: '' },
            ]
          : []),
        ...distribution(`pool in memory: get, beside ${mode}`, gets),
        ...(isDurable
          ? [
              ...distribution('write and fdatasync of 4 KiB', flushes),
              {
                name: 'claim, on disk: above the longer of 0.7 of the floor and a flush',
                value: middle(claims) - Math.max(goal, middle(flushes)),
                unit: 'ms',
              },
            ]
          : []),
        ...distribution(`claim at ${PACED.rate} per second, ${mode}`, paced),
      ];
      const compared = comparison(`slots-${isDurable ? 'disk' : 'memory'}`, `Claim of a tap, ${mode}`, {
        claim: claims,
        attach: attaches,
        'raw netlink floor of an attach': floors,
        'pool in memory of one process': gets,
        ...(isDurable && { 'write and fdatasync of 4 KiB': flushes }),
      });
      return { facts, compared };
    });
  } finally {
    await memory.close();
    closeSync(file);
  }
}

async function timedGet(memory: MemoryPool): Promise<number> {
  let slot: Awaited<ReturnType<MemoryPool['get']>> | undefined;
  const took = await timed(async () => {
    slot = await memory.get();
    return undefined;
  });
  if (slot !== undefined) await memory.put(slot);
  return took;
}

async function pacedClaims({ quick, signal }: Setting, claim: () => Promise<number>): Promise<number[]> {
  const paced: number[] = [];
  for (let count = 0; count < (quick ? PACED.quick : PACED.full); count++) {
    signal.throwIfAborted();
    const [took] = await Promise.all([claim(), sleep(1000 / PACED.rate)]);
    paced.push(took);
  }
  return paced;
}

/**
 * Claims at the same rate while nothing is created, and while each claimed slot is replaced. The pool has enough slots, so
 * that all claims find one.
 */
export function refillFacts(setting: Setting, host: Host): Promise<Fact[]> {
  const { quick, progress } = setting;
  const count = quick ? PACED.quick : PACED.full;
  return inNetwork(host, async (network) => {
    progress('slots: claims during refill');
    const pool = await network.prepare({ kind: 'tap', min: quick ? 5 : 200, max: quick ? 10 : 400 });
    const claim = () => network.attach({ slot: pool });
    const without = await pacedClaims(setting, () => timedRelease(claim));
    // A bridge takes 1,023 ports.
    const kept: Interface[] = [];
    const limited = { ...setting, quick };
    const during = await pacedClaims(limited, async () => {
      if (kept.length >= Math.min(count, 600)) await Promise.all(kept.splice(0).map((nic) => nic.detach()));
      return timed(async () => {
        kept.push(await claim());
        return undefined;
      });
    });
    await Promise.all(kept.map((nic) => nic.detach()));
    const { misses } = await pool.status();
    return [
      ...distribution('claim without refill', without),
      ...distribution('claim during refill', during),
      {
        name: 'claim during refill: p99 against without',
        value: quantile(during, 0.99) / quantile(without, 0.99),
        unit: '',
      },
      { name: 'claims without and during refill that found no free slot', value: misses, unit: '' },
    ];
  });
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
