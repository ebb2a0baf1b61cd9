import { expect, test } from 'vitest';
import { run } from '../../../src/cli/program.js';

async function errorOf(...argv: string[]): Promise<unknown> {
  let stderr = '';
  const code = await run(['--json', 'interface', 'migrate', 'vnet0', ...argv], {
    stdout: { write: () => undefined },
    stderr: { write: (text: string) => (stderr += text) },
  });
  return { code, ...(JSON.parse(stderr) as object) };
}

test.each([
  [[], '--to'],
  [['--prepare'], '--to'],
  [['--prepare', '--switch', '--to', 'node3'], 'migrate'],
  [['--switch', '--to', 'node3'], '--to'],
  [['--abort', '--multi-queue'], '--multi-queue'],
  [['--abort', '--no-wait-for-source'], '--no-wait-for-source'],
  [['--prepare', '--to', 'node3', '--no-wait-for-source'], '--no-wait-for-source'],
])('interface migrate %j is refused before a host is opened', async (argv, field) => {
  expect(await errorOf(...argv)).toMatchObject({ code: 2, error: { code: 'ERR_VETHWORK_VALIDATION', field } });
});
