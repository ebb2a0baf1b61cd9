// npm pack runs this script. It builds the packed files that are not in the repository: the addon for this machine. Addons
// for other systems are packed if `npm run prebuild:all` has built them from these sources. `npm publish` needs all of them.
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { makeDist } from './lib/dist.mjs';
import { isPrebuilt, prebuild } from './lib/prebuild.mjs';
import { root, runMain } from './lib/process.mjs';
import { targets } from './lib/targets.mjs';

await runMain(async () => {
  await makeDist();
  const all = process.env.npm_command === 'publish';
  await prebuild(targets.filter((target) => all || target.arch === process.arch || isPrebuilt(target)));
  for (const name of readdirSync(join(root, 'prebuilds'))) {
    if (targets.some((target) => target.name === name && isPrebuilt(target))) continue;
    console.log(`prepack: prebuilds/${name} is not built from these sources and is not packed`);
    rmSync(join(root, 'prebuilds', name), { recursive: true });
  }
});
