/**
 * Run by pid-namespaces.test.ts in a PID namespace of its own: does one thing, says what came of it, and waits to be
 * killed. `hold` stops in the middle of an attach: when its links are there and its record is not settled.
 */
import { writeSync } from 'node:fs';
import { type HostOptions, openHost, VethworkError } from '../../../src/index.js';
import { type StoreTrace, storeChannel } from '../../../src/store/channels.js';

export interface Order {
  options: HostOptions;
  what: 'open' | 'hold' | 'reconcile';
  network?: string;
  tap?: string;
}

export type Answer = { pid: number; repairs?: number } | { pid: number; code: string; message: string };

const say = (answer: object) => writeSync(1, `${JSON.stringify({ pid: process.pid, ...answer })}\n`);

const order = JSON.parse(process.argv[2] as string) as Order;

function isSettling({ commit }: StoreTrace): boolean {
  return commit.puts.some(
    ({ key, value }) => key.startsWith('interface/') && JSON.stringify(value).includes('"created"'),
  );
}

try {
  const host = await openHost({ ...order.options, repair: false });
  if (order.what === 'hold') {
    storeChannel.start.subscribe((message) => {
      if (!isSettling(message as StoreTrace)) return;
      say({});
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
    });
    await (await host.getNetwork(order.network as string)).attach({ tap: order.tap as string });
  } else if (order.what === 'reconcile') {
    say({ repairs: (await host.reconcile()).length });
  } else {
    say({});
  }
} catch (error) {
  if (!(error instanceof VethworkError)) throw error;
  say({ code: error.code, message: error.message });
}
setInterval(() => undefined, 60_000);
