import { readdirSync, readFileSync } from 'node:fs';
import type { Host } from '../../../api/types.js';
import type { Contender } from '../../contender.js';
import { timed } from '../../measure.js';
import type { Fact, Setting } from '../../scenario.js';
import type { Slot } from '../../stage.js';
import { type Churn, churn, distribution, inNetwork, memoryInfo, timedRelease } from './common.js';
import { MemoryPool } from './memory-pool.js';

/** Concurrent callers that claim and release without pause. */
const CALLERS = 16;
/** Time of taps, of single-use namespaces, and of the others, in milliseconds. */
const TAPS = { full: 5000, quick: 150 };
const NAMESPACES = { full: 60_000, quick: 200 };
const FLOOR = { full: 5000, quick: 150 };

/** Claims and releases without pause: of taps that are used again, and of namespaces that are used once. */
export async function churnFacts(setting: Setting, host: Host): Promise<Fact[]> {
  return [
    ...(await tapFacts(setting, host)),
    ...(await namespaceFacts(setting, host)),
    ...(await floorFacts(setting)),
    ...(await memoryPoolFacts(setting)),
  ];
}

const speed = (name: string, { perSecond }: Churn): Fact => ({ name, value: perSecond, unit: 'per second' });

function tapFacts({ quick, progress, signal }: Setting, host: Host): Promise<Fact[]> {
  progress(`slots: ${CALLERS} callers, taps`);
  return inNetwork(host, async (network) => {
    const pool = await network.prepare({ kind: 'tap', min: quick ? 16 : 200, max: 1000 });
    const claim = () => timedRelease(() => network.attach({ slot: pool }));
    const churned = await churn(CALLERS, quick ? TAPS.quick : TAPS.full, signal, claim);
    return [
      speed(`tap: claims and detaches, ${CALLERS} callers`, churned),
      { name: 'tap: claims that found no free slot', value: (await pool.status()).misses, unit: '' },
      ...distribution(`tap: claim, ${CALLERS} callers`, churned.durations),
    ];
  });
}

function namespaceFacts({ quick, progress, signal }: Setting, host: Host): Promise<Fact[]> {
  const duration = quick ? NAMESPACES.quick : NAMESPACES.full;
  progress(`slots: ${CALLERS} callers, namespaces, ${duration / 1000} s`);
  return inNetwork(host, async (network) => {
    const pool = await network.prepare({ kind: 'namespace', min: quick ? 16 : 200, max: quick ? 32 : 400 });
    const claim = () => timedRelease(() => network.attach({ slot: pool }));
    // The first claims also allocate memory that all later ones use.
    await churn(CALLERS, duration / 20, signal, claim);
    const settle = async () => {
      await pool.resize({});
      await host.drained();
    };
    await settle();
    const before = resources();
    const churned = await churn(CALLERS, duration, signal, claim);
    await settle();
    const after = resources();
    return [
      speed(`namespace: claims and detaches, ${CALLERS} callers`, churned),
      { name: 'namespace: claims that found no free slot', value: (await pool.status()).misses, unit: '' },
      ...distribution(`namespace: claim, ${CALLERS} callers`, churned.durations),
      ...Object.entries(before).flatMap(([name, { value, unit }]) => [
        { name: `namespace: ${name}, begin`, value, unit },
        { name: `namespace: ${name}, end`, value: after[name]?.value ?? Number.NaN, unit },
      ]),
    ];
  });
}

/** What a leak would increase, with the same number of free slots. */
function resources(): Record<string, { value: number; unit: string }> {
  const mib = (bytes: number) => ({ value: bytes / 2 ** 20, unit: 'MiB' });
  const count = (value: number) => ({ value, unit: '' });
  return {
    'memory of this process': mib(process.memoryUsage.rss()),
    descriptors: count(readdirSync('/proc/self/fd').length),
    threads: count(readdirSync('/proc/self/task').length),
    'memory of the kernel (slab)': mib(memoryInfo('Slab')),
    'network namespaces of the kernel': count(netNamespaces()),
  };
}

/** Objects of the kernel's cache of namespaces: also those that are being deleted. */
function netNamespaces(): number {
  const [, active = 'NaN'] = /^net_namespace +(\d+)/m.exec(readFileSync('/proc/slabinfo', 'latin1')) ?? [];
  return Number(active);
}

/** The same namespaces, made and deleted with the kernel layer: no records, no pool. */
async function floorFacts({ stage, entrants, quick, progress, signal }: Setting): Promise<Fact[]> {
  const contender = entrants.find(({ peer }) => peer.name === 'kernel')?.contender;
  if (contender?.attach === undefined) return [];
  progress(`slots: ${CALLERS} callers, namespaces of the kernel layer`);
  const { kernel } = stage;
  let number = 0;
  const live = () => timed(() => liveOnce(contender, number++));
  const liveOnce = async ({ attach, detach, drain }: Contender, each: number): Promise<undefined> => {
    const netns = `life-${each}`;
    const slot: Slot = {
      number: each,
      netns,
      device: `life${each}`,
      address: `172.20.${100 + ((each >> 8) & 127)}.${each & 255}`,
    };
    await kernel.transaction([{ op: 'namespace.add', name: netns }]);
    await attach?.call(contender, [slot]);
    await detach?.call(contender, [slot]);
    await drain?.call(contender);
    const errors = await kernel.teardown([{ op: 'namespace.delete', name: netns }]);
    if (errors.length > 0) throw new AggregateError(errors, netns);
  };
  const churned = await churn(CALLERS, quick ? FLOOR.quick : FLOOR.full, signal, live);
  return [speed(`namespace with vethwork/kernel: created and deleted, ${CALLERS} callers`, churned)];
}

/** The pool in memory: slots that are used again, and slots that are used once. */
async function memoryPoolFacts({ stage, quick, progress, signal }: Setting): Promise<Fact[]> {
  progress(`slots: ${CALLERS} callers, pool in memory`);
  const duration = quick ? FLOOR.quick : FLOOR.full;
  const pool = new MemoryPool(stage.kernel, quick ? 4 : 32);
  try {
    await pool.fill();
    const again = await churn(CALLERS, duration, signal, () => use(pool, (slot) => pool.put(slot)));
    const once = await churn(CALLERS, duration, signal, () => use(pool, (slot) => pool.remove(slot)));
    return [
      speed(`pool in memory, used again: pairs, ${CALLERS} callers`, again),
      speed(`pool in memory, used once: pairs, ${CALLERS} callers`, once),
    ];
  } finally {
    await pool.close();
  }
}

type MemorySlot = Awaited<ReturnType<MemoryPool['get']>>;

async function use(pool: MemoryPool, end: (slot: MemorySlot) => Promise<void>): Promise<number> {
  const began = performance.now();
  const slot = await pool.get();
  const took = performance.now() - began;
  await end(slot);
  return took;
}
