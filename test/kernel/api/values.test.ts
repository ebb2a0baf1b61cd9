import { execFile } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { compile } from '../../support/compile.js';
import { privileged } from '../../support/namespaces.js';
import { patience } from '../../support/patience.js';

const run = promisify(execFile);
const support = ['hostile', 'host', 'namespaces', 'patience', 'attempt', 'processes', 'ping', 'traffic'].map(
  (name) => `test/support/${name}.ts`,
);
const campaign = ['campaign', 'random', 'picture', 'look'].map((name) => `test/campaign/${name}.ts`);

/** Some seconds of `npm run campaign:values`, with another seed each time: the output says which. */
test.skipIf(!privileged)('hostile values are rejected by type, and change nothing', async () => {
  const { script, folder } = await compile('test/campaign/values.ts', ...support, ...campaign);
  try {
    const { stdout } = await run(process.execPath, [script, '--budget', '8'], { timeout: patience(120_000) }).catch(
      (error: { stdout: string; stderr: string }) => ({ stdout: `${error.stdout}\n${error.stderr}` }),
    );
    expect(stdout).toMatch(/^values: seed \d+: calls [1-9]\d*, refused [1-9]\d*, accepted [1-9]\d*, .*leftovers 0/m);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
