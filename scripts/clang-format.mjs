// node scripts/clang-format.mjs [--write]: checks the format of the C++ sources, or corrects it.
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
    // A skipped check must not look like a successful one.
    throw new StepError('clang-format is missing: npm run setup -- --lint installs it', { cause: error });
  }
});
