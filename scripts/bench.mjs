// npm run bench [-- arguments of `vethwork bench`]: installs the peers, builds, and measures.
import { join } from 'node:path';
import { exitCodeOf, root, runMain } from './lib/process.mjs';
import { setup } from './lib/setup.mjs';

await runMain(async () => {
  await setup({ bench: true });
  return exitCodeOf(process.execPath, [join(root, 'dist/cli/main.js'), 'bench', ...process.argv.slice(2)]);
});
