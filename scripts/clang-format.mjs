// node scripts/clang-format.mjs [--write]: checks (or corrects) the layout of the C++ sources.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { exitCodeOf, root, runMain, StepError } from './lib/process.mjs';

await runMain(async () => {
  const sources = readdirSync(join(root, 'native'), { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.(cc|h)$/.test(name))
    .map((name) => join('native', name));
  if (sources.length === 0) return 0;
  const mode = process.argv.includes('--write') ? ['-i'] : ['--dry-run', '-Werror'];
  try {
    return await exitCodeOf('clang-format', ['--style=file', ...mode, ...sources]);
  } catch (error) {
    // Left out in silence, it would pass for checked.
    throw new StepError('clang-format is missing: npm run setup -- --lint installs it', { cause: error });
  }
});
