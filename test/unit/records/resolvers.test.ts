import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemResolvers } from '../../../src/host/resolvers.js';

describe('the resolvers of this machine', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'vethwork-test-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  const cases: [what: string, files: string[], expected: string[]][] = [
    [
      'those of resolv.conf',
      ['nameserver 10.0.0.1\nnameserver 10.0.0.2\n', 'nameserver 10.0.0.9\n'],
      ['10.0.0.1', '10.0.0.2'],
    ],
    [
      'those that systemd-resolved asks',
      ['nameserver 127.0.0.53\noptions edns0\n', 'nameserver 10.0.0.9\n'],
      ['10.0.0.9'],
    ],
    [
      'none of loopback, of IPv6 or commented out',
      ['nameserver ::1\n# nameserver 10.0.0.3\nnameserver 127.0.0.1\n'],
      [],
    ],
    ['none where there is no file', [], []],
  ];
  it.each(cases)('%s', async (_what, texts, expected) => {
    const files = await Promise.all(
      texts.map(async (text, index) => {
        const file = join(folder, `resolv-${index}`);
        await writeFile(file, text);
        return file;
      }),
    );
    expect(await systemResolvers([...files, join(folder, 'missing')])).toEqual(expected);
  });
});
