import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { root, StepError } from './process.mjs';

const folder = join(root, 'build/guest');
const MODULES = [
  ...['virtio_ring', 'virtio', 'virtio_pci_legacy_dev', 'virtio_pci_modern_dev', 'virtio_pci'],
  ...['failover', 'net_failover', 'virtio_net'],
];

/** @param {string} file @param {readonly string[]} args @param {string} [cwd] */
const read = (file, args, cwd = folder) => execFileSync(file, args, { cwd, encoding: 'utf8', maxBuffer: 2 ** 28 });

/**
 * Makes the kernel and the initramfs of a guest (`vmlinuz`, `initrd.gz`) from Debian's cloud kernel and static busybox.
 * The packages are unpacked, not installed. Returns the folder.
 */
export function makeGuest() {
  if (process.arch !== 'x64') throw new StepError('the guest is for x86-64 only');
  const unpacked = join(folder, 'unpacked');
  mkdirSync(unpacked, { recursive: true });
  if (!existsSync(join(folder, 'vmlinuz'))) {
    const [kernel] =
      /linux-image-\S+-cloud-amd64/.exec(
        read('apt-cache', ['depends', 'linux-image-cloud-amd64']).replace('linux-image-cloud-amd64\n', ''),
      ) ?? [];
    if (kernel === undefined) throw new StepError('apt knows no kernel linux-image-cloud-amd64');
    read('apt-get', ['download', kernel, 'busybox-static']);
    for (const name of readdirSync(folder).filter((each) => each.endsWith('.deb'))) {
      read('dpkg', ['-x', name, unpacked]);
      rmSync(join(folder, name));
    }
    const [image] = readdirSync(join(unpacked, 'boot')).filter((name) => name.startsWith('vmlinuz-'));
    copyFileSync(join(unpacked, 'boot', /** @type {string} */ (image)), join(folder, 'vmlinuz'));
  }
  const initramfs = join(folder, 'initramfs');
  rmSync(initramfs, { recursive: true, force: true });
  for (const each of ['bin', 'proc', 'sys', 'dev', 'tmp']) mkdirSync(join(initramfs, each), { recursive: true });
  copyFileSync(join(unpacked, 'bin/busybox'), join(initramfs, 'bin/busybox'));
  for (const script of ['init', 'lease']) {
    copyFileSync(join(root, 'test/vm', script), join(initramfs, script));
    read('chmod', ['755', join(initramfs, script)]);
  }
  for (const name of MODULES) {
    const [found] = read('find', ['unpacked/lib/modules', '-name', `${name}.ko*`])
      .split('\n')
      .filter(Boolean);
    if (found === undefined) continue;
    const target = join(initramfs, `${name}.ko`);
    if (found.endsWith('.xz'))
      writeFileSync(target, execFileSync('xz', ['-dc', found], { cwd: folder, maxBuffer: 2 ** 28 }));
    else copyFileSync(join(folder, found), target);
  }
  const archive = execFileSync('sh', ['-c', 'find . | cpio -o -H newc --quiet'], {
    cwd: initramfs,
    maxBuffer: 2 ** 28,
  });
  writeFileSync(join(folder, 'initrd.gz'), gzipSync(archive));
  return folder;
}
