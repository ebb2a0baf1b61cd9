// node scripts/native.mjs build|test|bench [--variant address|thread]
import { parseArgs } from 'node:util';
import { buildNative, variantNames } from './lib/native.mjs';
import { runNativeTests } from './lib/native-tests.mjs';
import { runMain, StepError } from './lib/process.mjs';

const { values, positionals } = parseArgs({
  options: { variant: { type: 'string', default: 'plain' } },
  allowPositionals: true,
});

await runMain(async () => {
  const variant = variantNames.find((name) => name === values.variant);
  if (!variant) throw new StepError(`--variant: expected one of ${variantNames.join(', ')}, got ${values.variant}`);
  switch (positionals[0]) {
    case 'build':
      return buildNative('vethwork', variant);
    case 'test':
      return (await runNativeTests(variant)).failed > 0 ? 1 : 0;
    case 'bench':
      return buildNative('native_bench', variant);
    default:
      throw new StepError(`expected build, test or bench, got ${positionals[0] ?? 'nothing'}`);
  }
});
