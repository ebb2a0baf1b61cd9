import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

const RETRY = 10;

/**
 * Runs work that no other process of this machine does for the same key at the same time. The lock is a socket with an
 * abstract name (unix(7)), which the kernel gives to one process only and takes back when that ends, however it ends.
 */
export async function exclusively<Result>(key: string, work: () => Promise<Result>): Promise<Result> {
  const name = `\0vethwork-${createHash('sha256').update(key).digest('hex')}`;
  for (;;) {
    const lock = createServer().unref();
    try {
      await once(lock.listen(name), 'listening');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
      await sleep(RETRY);
      continue;
    }
    try {
      return await work();
    } finally {
      await new Promise((resolve) => lock.close(resolve));
    }
  }
}
