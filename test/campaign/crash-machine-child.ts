/**
 * A process on a machine that fails. It makes calls until it is killed, and notes what it was told. Before the kernel
 * acknowledges a flush, it copies the log as of the beginning of the flush: the failure loses everything since.
 */
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import type { HostOptions } from '../../src/api/types.js';
import { Random } from './random.js';

export interface MachineOrder {
  options: HostOptions;
  seed: number;
  prefix: string;
  /** Path of the copy of the log. */
  copy: string;
  /** Path of the notes. */
  notes: string;
}

/** A line of the notes. `leaving` is written before a removal, the others after the call has returned. */
export type Note = { there: string } | { leaving: string } | { gone: string } | { surprise: string };

const order = JSON.parse(process.argv[2] ?? '') as MachineOrder;
const { fdatasync } = fs;
fs.fdatasync = ((fd: number, done: (error: NodeJS.ErrnoException | null) => void) => {
  const content = fs.readFileSync(`/proc/self/fd/${fd}`);
  fdatasync(fd, (error) => {
    if (error === null) {
      fs.writeFileSync(`${order.copy}.new`, content);
      fs.renameSync(`${order.copy}.new`, order.copy);
    }
    done(error);
  });
}) as typeof fs.fdatasync;
syncBuiltinESMExports();
const { openHost } = await import('../../src/index.js');

const notes = fs.openSync(order.notes, 'a');
const note = (line: Note) => fs.writeSync(notes, `${JSON.stringify(line)}\n`);
const random = new Random(order.seed);
const hex = (digits: number) => Array.from({ length: digits }, () => random.integer(0, 15).toString(16)).join('');

async function live(host: Awaited<ReturnType<typeof openHost>>): Promise<never> {
  for (let life = 0; ; life++) {
    const uuid = `${order.prefix}-${hex(4)}-4${hex(3)}-8${hex(3)}-${hex(12)}`;
    const network = await host.createNetwork({
      name: uuid.slice(1),
      uuid,
      netblock: '10.7.0.0/24',
      provideDhcp: false,
    });
    note({ there: uuid });
    const nics = await Promise.all([1, 2, 3].map(() => network.attach({ tap: `t${hex(8)}` })));
    for (const nic of nics) note({ there: nic.uuid });
    const address = await nics[0]?.float();
    if (address !== undefined) note({ there: `${nics[0]?.uuid} ${address}` });
    for (const nic of nics.slice(1)) {
      note({ leaving: nic.uuid });
      await nic.detach();
      note({ gone: nic.uuid });
    }
    if (life % 2 === 0) continue;
    for (const each of [uuid, nics[0]?.uuid ?? '', `${nics[0]?.uuid} ${address}`]) note({ leaving: each });
    await network.delete();
    note({ gone: uuid });
  }
}

try {
  const host = await openHost(order.options);
  process.stdout.write('open');
  await Promise.all([live(host), live(host), live(host)]);
} catch (error) {
  note({ surprise: (error as Error).stack ?? String(error) });
}
