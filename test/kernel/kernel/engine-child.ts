/**
 * A process of its own for test/kernel/kernel/engine-life.test.ts: `node engine-child.js <scene> <namespace>`. The scenes end
 * in the middle of the engine's work, or after it.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { isMainThread, Worker, workerData } from 'node:worker_threads';
import { type Kernel, type Operation, openKernel } from '../../../src/kernel/index.js';

interface Work {
  netns: string;
  base: number;
}

function veth(netns: string, index: number): Operation {
  return {
    op: 'link.add',
    netns,
    link: { kind: 'veth', name: `a${index}`, index, data: { peer: { name: `b${index}` } } },
  };
}

/** Creations, and deletions that each wait for the kernel. The promises are not awaited. */
function start(kernel: Kernel, { netns, base }: Work): Promise<unknown> {
  const indexes = Array.from({ length: 30 }, (_, n) => base + n);
  const made = indexes.map((index) => kernel.transaction([veth(netns, index)]));
  const gone = indexes.map((index) => kernel.teardown([{ op: 'link.delete', netns, link: { index } }]));
  const others = [
    kernel.query('link.list', { netns }),
    kernel.ping('127.0.0.1', { netns, timeout: 5000 }),
    kernel.run('/bin/sleep', ['0.05'], { netns }),
  ];
  return Promise.all([...made, ...gone, ...others]);
}

async function loop(work: Work): Promise<never> {
  const kernel = openKernel();
  for (;;) await start(kernel, work);
}

async function workers(netns: string): Promise<void> {
  for (let round = 0; round < 12; ++round) {
    const pair = [0, 1].map(
      (n) => new Worker(new URL(import.meta.url), { workerData: { netns, base: 10_000 + 100 * n } satisfies Work }),
    );
    const failed = pair.map((worker) => new Promise((_, reject) => worker.on('error', reject)));
    await Promise.race([sleep(10 + 15 * round), ...failed]);
    await Promise.all(pair.map((worker) => worker.terminate()));
  }
}

const scenes: Record<string, (netns: string) => unknown> = {
  /** Opened, asked and left alone: nothing keeps the process. */
  idle: async (netns) => openKernel({ home: netns }).query('link.list', { netns }),
  /** Everything is done, because nothing stops it. */
  finish: (netns) => start(openKernel({ home: netns }), { netns, base: 10_000 }),
  exit: (netns) => {
    void start(openKernel({ home: netns }), { netns, base: 10_000 });
    process.exit(7);
  },
  'exit-midway': async (netns) => {
    void start(openKernel(), { netns, base: 10_000 });
    await sleep(30);
    process.exit(7);
  },
  throw: async (netns) => {
    void start(openKernel(), { netns, base: 10_000 });
    setTimeout(() => {
      throw new Error('on purpose');
    }, 30);
  },
  /** What waits for something else is given up. */
  'exit-waiting': async (netns) => {
    const kernel = openKernel();
    await kernel.transaction([
      { op: 'link.add', netns, link: { kind: 'bridge', name: 'br', index: 50, up: true } },
      { op: 'address.add', netns, address: { index: 50, address: '192.0.2.2/24' } },
    ]);
    void kernel.run('/bin/sleep', ['600'], { netns, timeout: 600_000 });
    void kernel.ping('192.0.2.1', { netns, timeout: 60_000 });
    await sleep(100);
    process.exit(7);
  },
  /** A collected kernel, and garbage made of everything that is under way. */
  collect: async (netns) => {
    const work = start(openKernel({ home: netns }), { netns, base: 10_000 });
    const timer = setInterval(() => globalThis.gc?.(), 1);
    await work;
    clearInterval(timer);
  },
  workers,
};

if (isMainThread) {
  const [scene = '', netns = ''] = process.argv.slice(2);
  await scenes[scene]?.(netns);
  console.log('done');
} else {
  await loop(workerData as Work);
}
