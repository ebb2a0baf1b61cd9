/** Below /proc/sys/net, in the machine's first network namespace (kernel Documentation/networking/ip-sysctl.rst). */
const FOLDER = 'ipv4/neigh/default';

/**
 * The kernel's thresholds for a neighbour table of so many entries, the largest first: `gc_thresh3` is what it takes, above
 * `gc_thresh2` entries are evicted after five seconds, up to `gc_thresh1` none is. In the proportions of the kernel's defaults
 * (1024, 512, 128).
 */
export function neighbourThresholds(entries: number): { key: string; value: number }[] {
  return [
    { key: `${FOLDER}/gc_thresh3`, value: entries },
    { key: `${FOLDER}/gc_thresh2`, value: Math.floor(entries / 2) },
    { key: `${FOLDER}/gc_thresh1`, value: Math.floor(entries / 8) },
  ];
}
