import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { root } from './process.mjs';

/** Packages whose code becomes part of the bundle. They consist of many modules, or are needed by every command. */
const BUNDLED = ['commander', 'ipaddr.js', 'zod'];

/**
 * Modules that stay separate: the errors, so that there is one class of each, and programs that find other files by their
 * own path.
 */
const SEPARATE = /^dist\/(errors\.js|demo\/|bench\/)/;

/**
 * Bundles the command line in dist/cli. A command loads about 300 modules otherwise, and finding and reading them takes
 * most of its time.
 */
export async function bundleProgram() {
  // Imported dynamically, because it needs the node modules.
  const { rolldown } = await import('rolldown');
  const build = await rolldown({
    cwd: root,
    input: { main: 'dist/cli/main.js' },
    platform: 'node',
    external: (id, importer, isResolved) => {
      if (isResolved) return SEPARATE.test(relative(root, id));
      return (
        !/^[./]/.test(id) && importer !== undefined && !BUNDLED.some((name) => id === name || id.startsWith(`${name}/`))
      );
    },
    logLevel: 'silent',
  });
  await build.write({
    ...{ dir: join(root, 'dist/cli'), format: 'esm' },
    ...{ entryFileNames: '[name].js', chunkFileNames: 'bundle-[name]-[hash].js' },
  });
  await build.close();
  writeFileSync(join(root, 'dist/cli/LICENSES.txt'), BUNDLED.map(licenseOf).join('\n'));
}

/** @param {string} name */
function licenseOf(name) {
  const folder = join(root, 'node_modules', name);
  const file = readdirSync(folder).find((each) => /^licen[cs]e/i.test(each));
  if (file === undefined) throw new Error(`the package ${name} has no license file`);
  return `${name}\n\n${readFileSync(join(folder, file), 'utf8')}`;
}
