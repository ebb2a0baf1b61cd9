// Builds the addon as it is packed, into prebuilds/. prebuildify wipes the build folder beside binding.gyp, which is the
// development build's, so it works in a folder of its own that shows it the same files.
import { copyFileSync, existsSync, mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { root, run, runMain } from './lib/process.mjs';

const stage = join(root, 'build/prebuild');

/** Where Node's headers are installed beside it, so that node-gyp need not download them. */
function nodeDirectory() {
  if (process.env.npm_config_nodedir) return process.env.npm_config_nodedir;
  const prefix = dirname(dirname(process.execPath));
  return existsSync(join(prefix, 'include/node/node_api.h')) ? prefix : undefined;
}

await runMain(async () => {
  rmSync(stage, { recursive: true, force: true });
  mkdirSync(stage, { recursive: true });
  for (const name of ['package.json', 'binding.gyp', 'native', 'node_modules']) {
    symlinkSync(join(root, name), join(stage, name));
  }
  rmSync(join(root, 'prebuilds'), { recursive: true, force: true });
  const nodedir = nodeDirectory();
  await run(
    process.execPath,
    [join(root, 'node_modules/prebuildify/bin.js'), '--napi', '--strip', '--tag-libc', '--out', root],
    {
      cwd: stage,
      env: { MAKEFLAGS: '-j2', npm_config_loglevel: 'warn', ...(nodedir ? { npm_config_nodedir: nodedir } : {}) },
    },
  );
  // prebuildify takes only the addon along.
  const program = 'vethwork-enter';
  copyFileSync(join(stage, 'build/Release', program), join(root, `prebuilds/linux-${process.arch}`, program));
});
