// npm pack: what the package holds and is not in the repository. Builds the addon for this machine; those for others are
// packed if `npm run prebuild:all` has built them from these sources, and `npm publish` needs them all.
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
    console.log(`prepack: prebuilds/${name} is not of these sources and left out`);
    rmSync(join(root, 'prebuilds', name), { recursive: true });
  }
});
