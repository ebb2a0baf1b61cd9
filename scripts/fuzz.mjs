// npm run fuzz [-- --seconds 60 name...]: builds the fuzzers of native/fuzz and lets each run for a while.
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { buildFolder, buildNative } from './lib/native.mjs';
import { root, run, runMain } from './lib/process.mjs';
import { setup } from './lib/setup.mjs';

const { values, positionals } = parseArgs({
  options: { seconds: { type: 'string', default: '60' } },
  allowPositionals: true,
});

await runMain(async () => {
  await setup({ fuzz: true });
  await buildNative('native_fuzz', 'fuzz');
  const all = readdirSync(join(root, 'native/fuzz'))
    .filter((name) => name.endsWith('.cc'))
    .map((name) => name.slice(0, -'.cc'.length));
  for (const name of positionals.length > 0 ? positionals : all) {
    const corpus = join(buildFolder('fuzz'), 'corpus', name);
    mkdirSync(corpus, { recursive: true });
    console.log(`fuzz: ${name} for ${values.seconds} s`);
    await run(join(buildFolder('fuzz'), 'native', `fuzz_${name}`), [
      `-max_total_time=${values.seconds}`,
      '-print_final_stats=1',
      `-artifact_prefix=${buildFolder('fuzz')}/${name}-`,
      corpus,
    ]);
  }
});
