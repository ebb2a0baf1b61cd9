/** Run by lock.test.ts: `lock-child.ts <file>` takes the lock of the file, says so, and keeps it. */
import { takeFileLock } from '../../../src/file-lock.js';

await takeFileLock(process.argv[2] as string);
process.stdout.write('held\n');
setInterval(() => undefined, 60_000);
