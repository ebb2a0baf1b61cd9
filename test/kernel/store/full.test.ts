import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { compile } from '../../support/compile.js';
import { privileged } from '../../support/namespaces.js';

test.skipIf(!privileged)('a failed flush is reported, and nothing is written after it', async () => {
  const mountPoint = await mkdtemp(join(tmpdir(), 'vethwork-fail-'));
  const compiled = await compile('test/integration/store/child.ts');
  try {
    // A disk that is larger than its memory. In a mount namespace that ends with the process.
    const commands =
      'mount -t tmpfs -o size=6m none "$0" && truncate -s 64M "$0/disk" && mkfs.ext4 -q -O ^has_journal "$0/disk" && ' +
      'mkdir "$0/fs" && mount -o loop "$0/disk" "$0/fs" && exec "$1" "$2" "$0/fs/state" fail';
    const args = ['--mount', 'sh', '-c', commands, mountPoint, process.execPath, compiled.script];
    const { stdout } = await promisify(execFile)('unshare', args);
    expect(JSON.parse(stdout)).toEqual(['ERR_VETHWORK_STORE', 'ERR_VETHWORK_STORE', 'ERR_VETHWORK_STORE', '4']);
  } finally {
    await rm(compiled.folder, { recursive: true });
    await rm(mountPoint, { recursive: true });
  }
});

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
