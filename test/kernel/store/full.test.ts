import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { compile } from '../../support/compile.js';
import { privileged } from '../../support/namespaces.js';

test.skipIf(!privileged)('a full disk fails the commit and nothing else', async () => {
  const mountPoint = await mkdtemp(join(tmpdir(), 'vethwork-full-'));
  const compiled = await compile('test/integration/store/child.ts');
  try {
    // In a mount namespace that ends with the process.
    const commands =
      'mount -t tmpfs -o size=2m none "$0" && head -c 500K /dev/zero > "$0/filler" && exec "$1" "$2" "$0/state" fill "$0/filler"';
    const args = ['--mount', 'sh', '-c', commands, mountPoint, process.execPath, compiled.script];
    const { stdout } = await promisify(execFile)('unshare', args);
    expect(JSON.parse(stdout)).toEqual({ lost: 0, code: 'ERR_VETHWORK_STORE', after: -2, isSame: true });
  } finally {
    await rm(compiled.folder, { recursive: true });
    await rm(mountPoint, { recursive: true });
  }
});
