// watch.test.ts runs this program.
import { once } from 'node:events';
import { isMainThread, Worker } from 'node:worker_threads';
import { openKernel } from '../../../src/kernel/index.js';

const [, , how, netns] = process.argv;
const watch = openKernel().watch(netns);

if (how === 'worker' && isMainThread) {
  // Both ends of the addon's life: workers end as they begin to wait; then the main thread
  // does, without waiting.
  for (let round = 0; round < 20; round++) {
    const worker = new Worker(new URL(import.meta.url), { argv: [how] });
    await once(worker, 'message');
    await worker.terminate();
  }
} else if (how === 'worker') {
  const { parentPort } = await import('node:worker_threads');
  await watch.ready;
  parentPort?.postMessage('waiting');
  await watch.next();
} else if (how === 'exit') {
  await watch.ready;
  void watch.next();
  process.exit(3);
} else if (how === 'wait') {
  await watch.ready;
  console.log('ready');
  await watch.next();
} else {
  await watch.ready;
}
