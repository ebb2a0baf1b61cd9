// npm runs this script at installation and at `npm rebuild vethwork`. It builds the addon if the prebuilt one does not load.
// The script is part of the package. It cannot import scripts/lib, which is not.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const require = createRequire(import.meta.url);

/** Tries to load the addon in a child process, because an incompatible addon may crash it. */
function loads() {
  const code = `require(${JSON.stringify(require.resolve('node-gyp-build'))})(${JSON.stringify(root)}).end()`;
  return spawnSync(process.execPath, ['-e', code], { stdio: 'ignore' }).status === 0;
}

/** Builds with the node-gyp of npm. */
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

// `npm run setup` builds a checkout.
if (!existsSync(join(root, 'src')) && !loads()) {
  console.error(`vethwork: no prebuilt addon loads on ${process.platform}-${process.arch}; building it from source`);
  if (!build() || !loads()) {
    console.error(
      'vethwork: the addon could not be built. The build needs a C++20 compiler (g++ 12 or later), make, Python 3 and the ' +
        'headers of Node.js. node-gyp downloads the headers or finds them with npm_config_nodedir. On Debian: apt-get install g++ make python3',
    );
    process.exitCode = 1;
  }
}
