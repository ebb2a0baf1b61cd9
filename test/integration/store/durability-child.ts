/** Run by durability.test.ts as a process of its own: `durability-child.ts <folder> <file with the boot id> <job> …`. */

import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { openLmdbStore } from '../../../src/store/lmdb.js';
import { WriteLock } from '../../../src/store/write-lock.js';

const [folder = '', bootFile = '', job, ...args] = process.argv.slice(2);
const store = await openLmdbStore(folder, { bootFile, compactAt: 200_000 });
const say = (text: string) => fs.writeSync(1, `${text}\n`);

switch (job) {
  /** Writes and flushes pairs of keys, and prints which are acknowledged. Kills itself at the n-th write to a file. */
  case 'write': {
    const [name, moment, count] = args;
    let left = Number(count) + 6;
    const { writeSync } = fs;
    const kill = () => process.kill(process.pid, 'SIGKILL');
    fs.writeSync = ((fd: number, bytes: NodeJS.ArrayBufferView | string, ...rest: number[]) => {
      if (fd === 1 || --left > 0) return writeSync(fd, bytes as string, ...(rest as []));
      if (moment === 'before') kill();
      if (moment === 'half' && typeof bytes !== 'string') {
        const [offset = 0, length = bytes.byteLength, position] = rest;
        writeSync(fd, bytes, offset, length >> 1, position);
        kill();
      }
      writeSync(fd, bytes as string, ...(rest as []));
      kill();
      return 0;
    }) as typeof fs.writeSync;
    syncBuiltinESMExports();
    for (let id = 0; ; id++) {
      await Promise.all(
        [0, 1].map(async (part) => {
          const value = `${name}-${id}-${part}`;
          const puts = ['left', 'right'].map((side) => ({ key: `${side}/${value}`, value }));
          await store.commit({ conditions: [], puts, deletes: [] });
          await store.flush();
          say(value);
        }),
      );
    }
  }

  /** Takes the lock and stops when told to, and ends when it is continued. */
  case 'stop':
    await store.commit({ conditions: [], puts: [{ key: 'before', value: 'holder' }], deletes: [] });
    await new Promise<void>((resolve) => {
      process.once('SIGUSR2', async () => {
        const release = await new WriteLock(join(folder, 'store.lock')).acquire();
        say('locked');
        process.kill(process.pid, 'SIGSTOP');
        release();
        resolve();
      });
      const alive = setInterval(() => undefined, 1000);
      process.once('SIGCONT', () => clearInterval(alive));
      say('ready');
    });
    break;

  /** Overwrites ten keys again and again, and prints the number of each flushed commit. */
  case 'churn': {
    const [name, rounds, first = '0'] = args;
    for (let count = Number(first); count < Number(first) + Number(rounds); count++) {
      const value = { count, text: 'x'.repeat(1500) };
      await store.commit({ conditions: [], puts: [{ key: `${name}/${count % 10}`, value }], deletes: [] });
      await store.flush();
      say(String(count));
    }
    break;
  }
}
await store.close();
