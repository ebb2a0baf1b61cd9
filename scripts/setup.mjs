// npm run setup [-- --lint --fuzz --bench]
import { parseArgs } from 'node:util';
import { runMain } from './lib/process.mjs';
import { setup } from './lib/setup.mjs';

const { values } = parseArgs({
  options: { lint: { type: 'boolean' }, fuzz: { type: 'boolean' }, bench: { type: 'boolean' } },
});
await runMain(() => setup(values));
