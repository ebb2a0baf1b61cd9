import { join } from 'node:path';

/** Folder with the kernel and the initramfs of the guest, which scripts/lib/guest.mjs has made. */
const guest = process.env.VETHWORK_GUEST ?? '';

/** Command that boots the guest on a tap. @param append more parameters of its kernel, for test/vm/init */
export function qemu({ tap, mac, append }: { tap: string; mac: string; append: string }): string[] {
  return [
    ...['qemu-system-x86_64', '-accel', 'tcg', '-m', '256', '-nographic', '-no-reboot', '-nic', 'none'],
    ...['-kernel', join(guest, 'vmlinuz'), '-initrd', join(guest, 'initrd.gz')],
    ...['-append', `console=ttyS0 quiet panic=-1 ${append}`],
    ...['-netdev', `tap,id=n0,ifname=${tap},script=no,downscript=no`],
    ...['-device', `virtio-net-pci,netdev=n0,mac=${mac},romfile=`],
  ];
}
