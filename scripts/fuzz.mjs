// npm run fuzz [-- --seconds 60 --seed 1 name...]: builds the fuzzers of native/fuzz and runs each for the given
// time. The number of concurrent fuzzers is the number of CPUs.
import { randomInt } from 'node:crypto';
import { mkdirSync, readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { buildFolder, buildNative } from './lib/native.mjs';
import { root, run, runMain } from './lib/process.mjs';
import { setup } from './lib/setup.mjs';

const { values, positionals } = parseArgs({
  options: { seconds: { type: 'string', default: '60' }, seed: { type: 'string' } },
  allowPositionals: true,
});

await runMain(async () => {
  await setup({ fuzz: true });
  await buildNative('native_fuzz', 'fuzz');
  const all = readdirSync(join(root, 'native/fuzz'))
    .filter((name) => name.endsWith('.cc'))
    .map((name) => name.slice(0, -'.cc'.length));
  const seed = values.seed ?? String(randomInt(1, 2 ** 32));
  const fuzz = async (/** @type {string} */ name) => {
    const corpus = join(buildFolder('fuzz'), 'corpus', name);
    mkdirSync(corpus, { recursive: true });
    console.log(`fuzz: ${name} for ${values.seconds} s, seed ${seed}`);
    await run(join(buildFolder('fuzz'), 'native', `fuzz_${name}`), [
      `-max_total_time=${values.seconds}`,
      `-seed=${seed}`,
      // Time limit of one input, in seconds.
      '-timeout=10',
      '-use_value_profile=1',
      '-print_final_stats=1',
      `-artifact_prefix=${buildFolder('fuzz')}/${name}-`,
      // New inputs are written into the first folder. The second has the initial inputs.
      corpus,
      join(root, 'native/fuzz/corpus', name),
    ]);
  };
  // Imported dynamically, because the set-up above may have built it.
  const { Semaphore } = await import(join(root, 'dist/util/semaphore.js'));
  const names = positionals.length > 0 ? positionals : all;
  await new Semaphore(availableParallelism()).map(names, fuzz);
});
