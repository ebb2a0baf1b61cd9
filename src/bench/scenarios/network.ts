import { randomUUID } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import type { Contender, Elapsed, NetworkSpec } from '../contender.js';
import { type Case, type Entrant, measure, timed } from '../measure.js';
import type { Scenario } from '../scenario.js';
import { verifyNetwork, verifyNetworkGone } from '../verify.js';

/** Number of networks that are created at once. */
const COUNT = 50;
const QUICK_COUNT = 4;
/** Contenders that can create a network with dnsmasq. */
const WITH_DNSMASQ = ['model', 'floor', 'walkthrough', 'shell'];
/** The networks of this contender have dnsmasq by default. */
const ALWAYS_DNSMASQ = ['model'];
/** Contenders that are measured with many networks at once; the walk-through's commands would take minutes. */
const WITH_MANY = ['model', 'model-without-dhcp', 'kernel', 'floor', 'shell'];

/** Creates and deletes a network on the network node, with and without dnsmasq, and many networks at once. */
export const network: Scenario = {
  name: 'network',
  title: 'Create and delete a network on the network node',
  run: async (setting) => {
    const count = setting.quick ? QUICK_COUNT : COUNT;
    const wanted = [networkCase(1, false), networkCase(1, true), networkCase(count, false), networkCase(count, true)];
    const cases = [];
    for (const each of wanted) cases.push(await measure(each, setting.entrants, setting));
    return { cases };
  },
};

let made = 0;

/** A network specification with a new UUID, VNI and egress address. */
export function nextNetwork(dhcp: boolean): NetworkSpec {
  made++;
  const third = made % 250;
  return {
    uuid: randomUUID(),
    // vethwork chooses its own VNI.
    vni: 0x100000 + made,
    netblock: '172.30.1.0/24',
    gateway: '172.30.1.1',
    gatewayCidr: '172.30.1.1/24',
    egress: `10.200.250.${1 + third}`,
    egressCidr: `10.200.250.${1 + third}/16`,
    dhcp,
  };
}

/** Creates `count` networks at once and deletes them. The figures are milliseconds per network. */
export function networkCase(count: number, dhcp: boolean): Case {
  let specs: NetworkSpec[];
  const inProcess = new WeakSet<Contender>();
  const create = (contender: Contender) =>
    forEach(specs, inProcess.has(contender), (spec) => contender.createNetwork?.(spec));
  const remove = (contender: Contender) =>
    contender.deleteNetworks?.(specs) ??
    forEach(specs, inProcess.has(contender), (spec) => contender.deleteNetwork?.(spec));
  const can = ({ peer, contender }: Entrant): boolean => {
    if (peer.inProcess) inProcess.add(contender);
    return (
      contender.createNetwork !== undefined &&
      (dhcp ? WITH_DNSMASQ.includes(peer.name) : !ALWAYS_DNSMASQ.includes(peer.name)) &&
      (count === 1 || WITH_MANY.includes(peer.name))
    );
  };
  return {
    name: `network${dhcp ? '-dhcp' : ''}${count === 1 ? '' : `-${count}`}`,
    title: `${count === 1 ? 'a network' : `${count} networks at once, per network,`} with NAT${dhcp ? ' and dnsmasq' : ''}`,
    can,
    prepare: async () => {
      specs = Array.from({ length: count }, () => nextNetwork(dhcp));
    },
    steps: [
      {
        figures: ['create'],
        work: async (contender) => [(await timed(() => create(contender))) / count],
        verify: async () => {
          for (const spec of specs) await verifyNetwork(spec);
        },
      },
      {
        figures: ['delete', 'gone'],
        work: async (contender) => {
          const deleted = (await timed(() => remove(contender))) / count;
          return [deleted, deleted + (await drained(contender)) / count];
        },
        verify: async () => {
          for (const spec of specs) await verifyNetworkGone(spec);
        },
      },
    ],
  };
}

/** Concurrently inside this process. Another process executes one request at a time; it may measure its own time. */
async function forEach(
  specs: readonly NetworkSpec[],
  isConcurrent: boolean,
  work: (spec: NetworkSpec) => Promise<Elapsed> | undefined,
): Promise<Elapsed> {
  if (isConcurrent) {
    await Promise.all(specs.map(work));
    return undefined;
  }
  let own: Elapsed = 0;
  for (const spec of specs) {
    const took = await work(spec);
    own = own === undefined || took === undefined ? undefined : own + took;
  }
  return own;
}

/** Milliseconds until all links that are marked for deletion are deleted. */
export async function drained(contender: Contender): Promise<number> {
  if (contender.drain === undefined) return 0;
  const start = performance.now();
  return (await contender.drain()) ?? performance.now() - start;
}
