import { describe, expect, test } from 'vitest';
import { openStage, rejection } from '../../support/kernel.js';
import { connect, eventually, json, privileged, type TestNamespace } from '../../support/namespaces.js';

interface Stats64 {
  packets: number;
  bytes: number;
  errors: number;
  dropped: number;
}

describe.skipIf(!privileged)('statistics', () => {
  test('of all links equal those of ip', async () => {
    await using stage = await openStage(2);
    const [left, right] = stage.namespaces as [TestNamespace, TestNamespace];
    await connect([left, 'one'], [right, 'two']);
    for (const [namespace, device, address] of [
      [left, 'one', '10.0.0.1/24'],
      [right, 'two', '10.0.0.2/24'],
    ] as const) {
      await namespace.run('sysctl', '-qw', `net.ipv6.conf.${device}.disable_ipv6=1`);
      await namespace.ip('address', 'add', address, 'dev', device);
    }
    await left.run('ping', '-c', '5', '-i', '0.1', '-s', '1000', '10.0.0.2');
    // The kernel may still send packets by itself. The counters are compared when two readings are equal.
    const settled = await eventually(async () => {
      const shown = () =>
        json<{ ifindex: number; stats64: { rx: Stats64; tx: Stats64 } }[]>('ip', '-n', left.name, '-j', '-s', 'link');
      const before = await shown();
      const listed = await stage.kernel.query('statistics.list', { netns: left.name });
      const single = await Promise.all(
        listed.map(({ index }) => stage.kernel.query('statistics.get', { netns: left.name, index })),
      );
      const after = await shown();
      return JSON.stringify(before) === JSON.stringify(after) ? { ours: listed, theirs: after, single } : undefined;
    }, 60_000);
    const { ours, theirs, single } = settled as NonNullable<typeof settled>;
    expect(ours).toEqual(
      theirs.map(({ ifindex, stats64: { rx, tx } }) => ({
        index: ifindex,
        receivedPackets: rx.packets,
        receivedBytes: rx.bytes,
        receiveErrors: rx.errors,
        receiveDrops: rx.dropped,
        sentPackets: tx.packets,
        sentBytes: tx.bytes,
        sendErrors: tx.errors,
        sendDrops: tx.dropped,
      })),
    );
    expect(single).toEqual(ours);
    const missing = stage.kernel.query('statistics.get', { netns: left.name, index: 12_345 });
    expect(await rejection(missing)).toMatchObject({ code: 'ENODEV' });
    expect(Math.max(...ours.map(({ sentBytes }) => sentBytes))).toBeGreaterThan(5000);
  });
});
