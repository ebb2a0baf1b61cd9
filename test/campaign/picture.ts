import { runtimeRoot } from '../../src/dnsmasq/index.js';
import type { AddressRecord } from '../../src/ipam/pool.js';
import type { Store } from '../../src/store/store.js';
import { processes } from '../support/processes.js';
import { entriesOf, fixedPlaces, ipBatch, nftRuleset } from './look.js';

/*
 * Snapshot of a machine from `ip` and `nft`, as lines of text. Snapshots are equal if nothing has changed. Dynamic values,
 * such as carriers and counters, and values that depend on the order of creation are excluded.
 */

/** Attributes that change when a link is first up, when a program opens it, or shortly after its creation. */
const PASSING =
  /^(qdisc|operstate|linkmode|link_netnsid|link_index|ifindex|stats|packets|bytes|handle|timer|hello_timer|tentative)/;
/** Attributes of a bridge port that depend on the carrier or on the order of the ports. */
const PASSING_OF_PORT = new Set(['state', 'no', 'id', 'designated_port']);
const CARRIER = new Set(['LOWER_UP', 'NO-CARRIER', 'M-DOWN']);

/** Links with a random MAC address from the kernel. */
const ANY_MAC = /-o$|^vxlan-/;

function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.filter((item) => !CARRIER.has(item)).map(plain);
  if (typeof value !== 'object' || value === null) return value;
  const anyMac = ANY_MAC.test(String((value as { ifname?: string }).ifname));
  const kept = Object.entries(value).filter(
    ([key]) => !PASSING.test(key) && !/_timer$|^gc_|used$/.test(key) && !(anyMac && key === 'address'),
  );
  return Object.fromEntries(
    kept.map(([key, inner]) => [key, plain(key === 'info_slave_data' ? portOf(inner as object) : inner)]),
  );
}

function portOf(settings: object): object {
  return Object.fromEntries(Object.entries(settings).filter(([key]) => !PASSING_OF_PORT.has(key)));
}

const lines = (title: string, values: readonly unknown[]) =>
  values.map((value) => `${title}: ${JSON.stringify(plain(value))}`);

export async function namespacePicture(netns: string): Promise<string[]> {
  const [[links = [], routes = [], rules = [], proxies = [], neighbours = []], places, ruleset] = await Promise.all([
    ipBatch(netns, '-d'),
    fixedPlaces(netns),
    nftRuleset(netns),
  ]);
  const isIpv4 = (route: unknown) => !JSON.stringify(route).includes('::');
  const addressing = [
    ...lines('link', links),
    ...lines('route', routes.filter(isIpv4)),
    ...lines('rule', rules),
    ...lines('proxy', proxies),
    ...lines('neighbour', neighbours),
    ...lines('place', places),
  ].sort();
  // The order of rules is significant.
  return [...addressing, ...lines('nft', ruleset)].map((line) => `${netns}: ${line}`);
}

/** Namespaces of networks, dnsmasq processes and files, and the content of the store. */
export async function statePicture(store: Store, state: string): Promise<string[]> {
  const root = await runtimeRoot(state);
  // Lock files are temporary, and logs of dnsmasq are not state.
  const files = (await entriesOf(root, true)).filter((file) => !/\.lock$|\/log$/.test(file)).sort();
  const running = await processes(`conf-file=${root}/`);
  // Used interface indexes are not released, events are kept, and released addresses are remembered.
  // The claims of a pool are recorded up to a second later.
  const isRemembered = (value: unknown) =>
    (value as AddressRecord).use === 'halo' && (value as AddressRecord).halo === 0;
  const entries = (await store.list('')).filter(
    ({ key, value }) => !/^(ifindex|event|pool-usage)/.test(key) && !isRemembered(value),
  );
  return [
    ...files.map((file) => `file: ${file}`),
    ...running.map((line) => `process: ${line}`),
    ...entries.map(({ key, value }) => `store: ${key} ${JSON.stringify(value)}`),
  ];
}

/** Lines that only one of two snapshots contains. */
export function changes(before: readonly string[], after: readonly string[]): string[] {
  const [left, right] = [new Set(before), new Set(after)];
  return [
    ...before.filter((line) => !right.has(line)).map((line) => `gone: ${line}`),
    ...after.filter((line) => !left.has(line)).map((line) => `new: ${line}`),
  ];
}
