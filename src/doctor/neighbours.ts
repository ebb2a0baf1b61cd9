import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isNamespaceMissing } from '../kernel/ensure/observer.js';
import type { Kernel } from '../kernel/kernel.js';
import type { Link } from '../kernel/link/index.js';
import type { NamespaceRef } from '../kernel/namespace.js';
import { networkOfAlias, OVERLAY_BRIDGE_PREFIX } from '../plan/names.js';
import { neighbourThresholds } from '../plan/neighbour-table.js';
import type { Check } from './finding.js';

/** Entries per container: its own entries, and the entries of others for it. */
const ENTRIES_EACH = 2;
/** Recommended capacity as a multiple of the present need. */
const ROOM = 4;
/** The kernel's default. With a larger table, earlier overflows may be solved. */
const DEFAULT_ENTRIES = 1024;

/**
 * Checks the capacity of the neighbour table, which all namespaces of the machine share. Only possible in the machine's
 * initial network namespace.
 */
export const neighbourTable: Check = async ({ kernel, netns, root }) => {
  const [limits, statistics] = await Promise.all([thresholds(root), readText(root, 'proc/net/stat/arp_cache')]);
  const [most, soft] = limits;
  if (most === undefined || soft === undefined || statistics === undefined) return [];
  const { entries, fulls } = parseStatistics(statistics);
  const links = await kernel.query('link.list', { netns });
  const interfaces = countInterfaces(links);
  // Permanent entries do not count. Those inside containers, at most one each, are not visible.
  const held = entries - (await countPermanent(kernel, netns, links)) - interfaces;
  const load = Math.max(held, ENTRIES_EACH * interfaces);
  const isEnough = load <= soft;
  if (isEnough && (fulls === 0 || most > DEFAULT_ENTRIES)) return [];
  const wanted = 2 ** Math.ceil(Math.log2(ROOM * Math.max(load, DEFAULT_ENTRIES)));
  const subject = 'net.ipv4.neigh.default.gc_thresh3';
  const values = neighbourThresholds(wanted).map(({ key, value }) => `net.${key.replaceAll('/', '.')}=${value}`);
  return [
    {
      severity: isEnough ? 'note' : 'warning',
      code: 'neighbour-table',
      subject,
      problem:
        `${subject} is ${most}, gc_thresh2 is ${soft}; ${interfaces} interfaces need up to ${ENTRIES_EACH * interfaces} ` +
        `entries, there are ${entries}, and the table was full ${fulls} times since boot: addresses without an entry are unreachable`,
      remedy: `set ${values.join(', ')}, or vethwork init --neighbour-table ${wanted}`,
    },
  ];
};

const readText = (root: string, path: string) => readFile(join(root, path), 'utf8').catch(() => undefined);

/** Present values of `gc_thresh3` and `gc_thresh2`. */
function thresholds(root: string): Promise<(number | undefined)[]> {
  const [most, soft] = neighbourThresholds(0).map(async ({ key }) => {
    const text = await readText(root, `proc/sys/net/${key}`);
    return text === undefined ? undefined : Number(text);
  });
  return Promise.all([most, soft]);
}

/**
 * Parses /proc/net/stat/arp_cache: a line per CPU, in hexadecimal. `entries` is that of the whole table in each line
 * (net/core/neighbour.c).
 */
function parseStatistics(text: string): { entries: number; fulls: number } {
  const [names = [], ...rows] = text
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/));
  const column = (name: string) => rows.map((row) => Number.parseInt(row[names.indexOf(name)] ?? '0', 16) || 0);
  return { entries: column('entries')[0] ?? 0, fulls: column('table_fulls').reduce((sum, count) => sum + count, 0) };
}

/** Counts the ports of networks that belong to instances. */
function countInterfaces(links: readonly Link[]): number {
  const bridges = new Set(links.filter(({ name }) => name.startsWith(OVERLAY_BRIDGE_PREFIX)).map(({ index }) => index));
  return links.filter(({ master, kind, name }) => bridges.has(master ?? 0) && kind !== 'vxlan' && !isInner(name))
    .length;
}

const isInner = (name: string) => /^veth-[0-9a-f]{6}-o$/.test(name);

/** Counts permanent entries in the host's namespace and those of networks. */
async function countPermanent(
  kernel: Kernel,
  netns: NamespaceRef | undefined,
  links: readonly Link[],
): Promise<number> {
  const networks = new Set(links.map(({ alias }) => networkOfAlias(alias)).filter((uuid) => uuid !== undefined));
  let count = 0;
  for (const namespace of [netns, ...networks]) {
    try {
      const neighbours = await kernel.query('neighbour.list', { netns: namespace, family: 'inet' });
      count += neighbours.filter(({ state }) => state === 'permanent').length;
    } catch (error) {
      // A hypervisor node has no namespaces of networks.
      if (!isNamespaceMissing(error)) throw error;
    }
  }
  return count;
}
