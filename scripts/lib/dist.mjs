import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { bundleProgram } from './bundle.mjs';
import { isFresh, makeStamped } from './fresh.mjs';
import { root, run } from './process.mjs';

/** Compiles src to dist, and bundles the command line, if dist is older. Removes outputs of deleted sources. */
export async function makeDist() {
  if (isFresh('dist', ['src', 'tsconfig.json', 'package-lock.json'])) return;
  console.log('setup: compiling TypeScript');
  await makeStamped('dist', async () => {
    rmSync(join(root, 'dist'), { recursive: true, force: true });
    await run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc')]);
    await bundleProgram();
  });
}
