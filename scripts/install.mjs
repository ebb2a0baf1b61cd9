// npm runs this where the package has been installed, and at `npm rebuild vethwork`: builds the addon if the one that
// came with the package does not load. Part of the package, so that nothing of scripts/lib is there.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const require = createRequire(import.meta.url);

/** In a process of its own: what does not fit may end it. */
function loads() {
  const code = `require(${JSON.stringify(require.resolve('node-gyp-build'))})(${JSON.stringify(root)}).end()`;
  return spawnSync(process.execPath, ['-e', code], { stdio: 'ignore' }).status === 0;
}

/** npm's own node-gyp. */
function nodeGyp() {
  const npm = process.env.npm_execpath;
  const places = [
    process.env.npm_config_node_gyp,
    npm && join(dirname(npm), '../node_modules/node-gyp/bin/node-gyp.js'),
  ];
  return places.find((place) => place && existsSync(place));
}

function build() {
  const script = nodeGyp();
  const [file, args] = script ? [process.execPath, [script]] : ['node-gyp', []];
  return spawnSync(file, [...args, 'rebuild'], { cwd: root, stdio: 'inherit' }).status === 0;
}

// A checkout is built by `npm run setup`.
if (!existsSync(join(root, 'src')) && !loads()) {
  console.error(`vethwork: no prebuilt addon loads on ${process.platform}-${process.arch}; building it from source`);
  if (!build() || !loads()) {
    console.error(
      'vethwork: the addon could not be built: that needs a C++20 compiler (g++ 12 or later), make, Python 3 and the ' +
        'headers of Node.js, which node-gyp downloads or finds by npm_config_nodedir; on Debian: apt-get install g++ make python3',
    );
    process.exitCode = 1;
  }
}
