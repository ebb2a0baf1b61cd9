// npm run campaign:<name> [-- --seed N --budget SECONDS --count N]: runs a campaign of test/campaign. Needs root and
// `npm run setup`. Writes the last line of the output to build/campaign-<name>.txt.
import { mkdir, mkdtemp, readdir, rm, symlink } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { rolldown } from 'rolldown';
import { exitCodeOf, root, runMain } from './lib/process.mjs';

/**
 * Bundles the campaigns. They start hundreds of processes, and module resolution takes half of the start-up time.
 * @param {string} folder
 */
async function bundle(folder) {
  const programs = await readdir(join(root, 'test/campaign'));
  const build = await rolldown({
    cwd: root,
    input: Object.fromEntries(programs.map((file) => [basename(file, '.ts'), join('test/campaign', file)])),
    platform: 'node',
    external: ['lmdb', 'node-gyp-build', 'etcd3', 'cockatiel', 'pino'],
    logLevel: 'silent',
  });
  // Two levels deep, as in `dist` and `src`, so that the relative path of the addon is valid.
  const names = { entryFileNames: 'out/campaign/[name].js', chunkFileNames: 'out/shared/[name].js' };
  await build.write({ dir: folder, format: 'esm', sourcemap: true, ...names });
  await build.close();
}

await runMain(async () => {
  const [name = '', ...args] = process.argv.slice(2);
  const cache = join(root, 'node_modules', '.cache');
  await mkdir(cache, { recursive: true });
  const folder = await mkdtemp(join(cache, 'vethwork-campaign-'));
  // The campaign cleans up first.
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => undefined);
  try {
    await symlink(join(root, 'build'), join(folder, 'build'));
    await bundle(folder);
    const program = join(folder, `out/campaign/${name}.js`);
    const summary = join(root, `build/campaign-${name}.txt`);
    await rm(summary, { force: true });
    const env = { VETHWORK_FAULTS: '1', VETHWORK_SUMMARY: summary };
    return await exitCodeOf(process.execPath, [program, ...args], { env });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
