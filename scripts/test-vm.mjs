// npm run test:vm: tests of taps with a real virtual machine, which QEMU emulates. Needs root and Debian on x86-64. It is
// not part of `npm test`, because a guest needs tens of seconds to boot, and its kernel is a download of 27 MB.
import { join } from 'node:path';
import { ensurePackages, packages } from './lib/debian.mjs';
import { makeGuest } from './lib/guest.mjs';
import { exitCodeOf, root, runMain } from './lib/process.mjs';
import { setup } from './lib/setup.mjs';

await runMain(async () => {
  await setup();
  await ensurePackages(packages.vm);
  const vitest = join(root, 'node_modules/vitest/vitest.mjs');
  const args = [vitest, 'run', '--config', join(root, 'test/vm/vitest.config.ts')];
  return await exitCodeOf(process.execPath, args, { env: { VETHWORK_GUEST: makeGuest() } });
});
