// npm run prebuild:all [-- linux-arm64 …]: builds the addon into prebuilds/, for every system of scripts/lib/targets.mjs or
// for those that the arguments name.
import { prebuild } from './lib/prebuild.mjs';
import { runMain, StepError } from './lib/process.mjs';
import { targets } from './lib/targets.mjs';

await runMain(() => {
  const names = process.argv.slice(2);
  const unknown = names.find((name) => !targets.some((target) => target.name === name));
  if (unknown !== undefined) {
    throw new StepError(`expected one of ${targets.map(({ name }) => name).join(', ')}, got ${unknown}`);
  }
  return prebuild(names.length === 0 ? targets : targets.filter(({ name }) => names.includes(name)));
});
