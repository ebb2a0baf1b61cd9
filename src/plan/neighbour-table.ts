/** Folder below /proc/sys/net, in the machine's initial network namespace (Documentation/networking/ip-sysctl.rst). */
const FOLDER = 'ipv4/neigh/default';

/**
 * Thresholds for a neighbour table of a number of entries, the largest first. `gc_thresh3` is the capacity. Above
 * `gc_thresh2`, entries are evicted after five seconds. Up to `gc_thresh1`, none is evicted. The ratios are those of
 * the kernel's defaults (1024, 512, 128).
 */
export function neighbourThresholds(entries: number): { key: string; value: number }[] {
  return [
    { key: `${FOLDER}/gc_thresh3`, value: entries },
    { key: `${FOLDER}/gc_thresh2`, value: Math.floor(entries / 2) },
    { key: `${FOLDER}/gc_thresh1`, value: Math.floor(entries / 8) },
  ];
}
