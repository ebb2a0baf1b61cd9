/**
 * Run by machine-failure.test.ts: makes changes, and prints what was acknowledged. Its log has the content that was flushed
 * before the last acknowledged call returned; the rest was not written to disk.
 */
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import type { HostOptions } from '../../../src/index.js';

/** The content of the log at the beginning of the last completed flush. */
let flushed: Buffer | undefined;
const { fdatasync } = fs;
fs.fdatasync = ((fd: number, done: (error: NodeJS.ErrnoException | null) => void) => {
  const content = fs.readFileSync(`/proc/self/fd/${fd}`);
  fdatasync(fd, (error) => {
    if (error === null) flushed = content;
    done(error);
  });
}) as typeof fs.fdatasync;
syncBuiltinESMExports();
const { openHost } = await import('../../../src/index.js');

const options = JSON.parse(process.argv[2] ?? '') as HostOptions & { stateDir: string };
const guest = process.argv[3] ?? '';
const host = await openHost(options);
const network = await host.createNetwork({ name: 'demo', netblock: '172.16.0.0/24', provideDhcp: false });
const [first, second] = [await network.attach({ tap: 'vnet0' }), await network.attach({ tap: 'vnet1' })];
const address = await first.float();
const routed = await network.routeAddress();
const removed = await network.attach({ tap: 'vnet2' });
await removed.detach();
// The guest has a link of this name: the kernel refuses it, after the reservation.
const refused = await network.attach({ netns: guest, name: 'taken' }).then(
  () => 'none',
  ({ code }: { code: string }) => code,
);
// The last acknowledged call.
const last = await host.createNetwork({ name: 'last', netblock: '172.17.0.0/24', provideDhcp: false });
if (flushed !== undefined) fs.writeFileSync(join(options.stateDir, 'store.log.1'), flushed);
const acknowledged = {
  network: network.uuid,
  last: last.uuid,
  nics: [first.uuid, second.uuid],
  address,
  routed,
  refused,
};
fs.writeSync(1, JSON.stringify(acknowledged));
process.kill(process.pid, 'SIGKILL');
