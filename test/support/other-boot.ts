/** Command that runs a program with another boot id (random(4)). Other mounts, such as namespaces, are shared. */
export function onOtherBoot(bootFile: string, ...program: string[]): [file: string, args: string[]] {
  const commands = 'mount --make-private /proc && mount --bind "$0" /proc/sys/kernel/random/boot_id && exec "$@"';
  return ['unshare', ['--mount', '--propagation', 'unchanged', 'sh', '-c', commands, bootFile, ...program]];
}
