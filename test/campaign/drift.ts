/**
 * Deletes and modifies all objects of networks with `ip`, `nft` and `kill`. Each time, the difference must be detected,
 * reported and repaired without other changes. A continuous ping through another network must lose no packets.
 */

import { once } from 'node:events';
import { desiredState } from '../../src/desired/desired-state.js';
import { runtimeRoot } from '../../src/dnsmasq/index.js';
import { repairText } from '../../src/format/repair.js';
import type { Host, Network } from '../../src/index.js';
import type { Operation } from '../../src/kernel/operation.js';
import type { DesiredHost } from '../../src/plan/desired.js';
import { planHost } from '../../src/plan/host.js';
import { networkNames } from '../../src/plan/names.js';
import { type HostRecord, type InterfaceRecord, keys, type NetworkRecord } from '../../src/records/records.js';
import { openLmdbStore } from '../../src/store/lmdb.js';
import type { Store } from '../../src/store/store.js';
import { pings, TestHost } from '../support/host.js';
import { eventually, type TestNamespace } from '../support/namespaces.js';
import { type Campaign, runCampaign } from './campaign.js';
import { type Harm, harmsOf, type Reach, rulesetHarms, serviceHarms } from './harms.js';
import { changes, namespacePicture, statePicture } from './picture.js';

/** Interval of the ping, in seconds. */
const INTERVAL = '0.02';

interface Victim {
  network: Network;
  guest: TestNamespace;
}

/** Creates a network with one object of each kind. */
async function victimNetwork(machine: TestHost, host: Host): Promise<Victim> {
  const network = await host.createNetwork({ name: 'victim', netblock: '172.16.0.0/24', provideDns: true });
  const guest = await machine.guest();
  const nic = await network.attach({ netns: guest.name, configure: true, hostname: 'one' });
  await network.attach({ tap: 'vnet0' });
  await nic.float();
  await network.routeAddress();
  // A claimed slot and a free one, whose port is closed.
  const pool = await network.prepare({ kind: 'tap', min: 1, max: 1 });
  await network.attach({ slot: pool });
  await eventually(async () => (await pool.status()).free === 1);
  return { network, guest };
}

/** Creates a network that must not be affected. */
async function otherNetwork(machine: TestHost, host: Host) {
  const network = await host.createNetwork({ name: 'other', netblock: '172.17.0.0/24' });
  const [guest, neighbour] = [await machine.guest(), await machine.guest()];
  const nic = await network.attach({ netns: guest.name, configure: true });
  const second = await network.attach({ netns: neighbour.name, configure: true });
  const floating = await nic.float();
  await eventually(() => pings(machine.world, floating));
  await eventually(() => pings(guest, second.info.address));
  return { guest, neighbour: second.info.address, floating };
}

async function allHarms(machine: TestHost, store: Store, { network, guest }: Victim): Promise<Harm[]> {
  const node = machine.node.name;
  const read = async <Value>(prefix: string) => (await store.list(prefix)).map(({ value }) => value as Value);
  const [record] = await read<HostRecord>(keys.host);
  const host: DesiredHost = { ...(record as HostRecord), netns: node, egressMtu: 1500, disableBridgeNetfilter: true };
  const [recorded] = (await read<NetworkRecord>(keys.networks)).filter(({ uuid }) => uuid === network.uuid);
  const members = (await read<InterfaceRecord>(keys.interfaces)).filter((each) => each.network === network.uuid);
  const state = { network: recorded as NetworkRecord, members };
  const desired = desiredState({ host, underlay: { index: 0 } }, state);
  const plan = (desired?.resources ?? []).flatMap((resource) => resource.plan());
  const hostPlan = planHost(host);
  const names = namesOf([...hostPlan, ...plan]);
  const nameOf = (index: number) => names.get(index) as string;
  const outer = networkNames(network.info.vni).innerOuter;
  const runtime = await runtimeRoot(machine.options.stateDir);
  return [
    ...[node, network.uuid, guest.name].flatMap((netns) =>
      harmsOf(plan, { netns, nameOf, reach: 'network', mayBeAddedTo: netns === guest.name }),
    ),
    ...harmsOf(hostPlan, { netns: node, nameOf, reach: 'egress', mayBeAddedTo: true }),
    ...(await rulesetHarms(network.uuid, () => 'network')),
    // The bridge table contains addresses of all networks.
    ...(await rulesetHarms(node, (family) => (family === 'ip' ? 'egress' : 'host'))),
    ...serviceHarms(network.uuid, runtime, async () => !(await machine.node.ip('link')).includes(outer)),
  ];
}

function namesOf(plan: readonly Operation[]): Map<number, string> {
  const names = new Map<number, string>([[1, 'lo']]);
  for (const operation of plan) {
    const link = operation.op === 'tap.add' ? operation.tap : operation.op === 'link.add' ? operation.link : undefined;
    if (link !== undefined) names.set(link.index as number, link.name);
    if (operation.op === 'link.add' && operation.link.kind === 'veth') {
      const { peer } = operation.link.data;
      names.set(peer.index as number, peer.name as string);
    }
  }
  return names;
}

class Trials {
  done = 0;
  repaired = 0;
  #last: string[] | undefined;

  constructor(
    private readonly campaign: Campaign,
    private readonly host: Host,
    private readonly picture: () => Promise<string[]>,
  ) {}

  async suffer({ what, names, inflict }: Harm): Promise<void> {
    if (this.campaign.expired() || this.campaign.findings.length > 60) return;
    this.done++;
    const revivals = await this.#revivals();
    const before = this.#last ?? (await this.picture());
    try {
      await inflict();
    } catch (error) {
      this.campaign.finding(`${what}: could not be done: ${(error as Error).message}`);
      return;
    }
    const reported = (await this.host.reconcile({ dryRun: true })).map(repairText);
    const done = (await this.host.reconcile()).map(repairText);
    const again = (await this.host.reconcile()).map(repairText);
    await this.host.drained();
    this.#last = await this.picture();
    const left = changes(before, this.#last);
    // The supervisor of dnsmasq checks every second and may repair first. It reports the repair too.
    const revived = (await this.#revivals()) > revivals;
    const problems = [
      ...(reported.length === 0 && !revived ? ['not found'] : []),
      ...(reported.length > 0 && !reported.some((text) => text.includes(names))
        ? [`not named: ${reported.join('; ')}`]
        : []),
      ...(reported.every((text) => done.includes(text)) || revived
        ? []
        : [`announced "${reported.join('; ')}", did "${done.join('; ')}"`]),
      ...again.map((text) => `not repaired at once: ${text}`),
      ...left.map((line) => `not as before: ${line}`),
    ];
    if (problems.length === 0) this.repaired++;
    for (const problem of problems) this.campaign.finding(`${what}: ${problem}`);
  }

  async #revivals(): Promise<number> {
    let count = 0;
    for await (const { event } of this.host.events({ history: true, follow: false }))
      if (event === 'dnsmasq.restarted') count++;
    return count;
  }
}

/** A continuous ping. */
class Ping {
  readonly #child;
  #heard = '';

  constructor(from: TestNamespace, address: string) {
    this.#child = from.spawn('ping', ['-n', '-q', '-i', INTERVAL, address], { stdio: ['ignore', 'pipe', 'ignore'] });
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#heard += text;
    });
  }

  /** Number of lost packets. Replies of the last packets may be missing when ping ends. */
  async stop(): Promise<{ sent: number; lost: number }> {
    this.#child.kill('SIGINT');
    await once(this.#child, 'close');
    const [, sent, received] = /(\d+) packets transmitted, (\d+) received/.exec(this.#heard) ?? [];
    if (sent === undefined || sent === '0') throw new Error(`ping has sent no packets: ${this.#heard}`);
    const lost = Number(sent) - Number(received);
    return { sent: Number(sent), lost: lost <= 1 ? 0 : lost };
  }
}

await runCampaign('drift', 180, async (campaign) => {
  const machine = await TestHost.create({ disableBridgeNetfilter: true });
  try {
    const host = await machine.open();
    const store = await openLmdbStore(machine.options.stateDir);
    const victim = await victimNetwork(machine, host);
    const other = await otherNetwork(machine, host);
    const harms = campaign.random.shuffled(await allHarms(machine, store, victim));
    const trials = new Trials(campaign, host, async () => {
      const namespaces = [machine.node.name, victim.network.uuid, victim.guest.name];
      const parts = [...namespaces.map(namespacePicture), statePicture(store, machine.options.stateDir)];
      // dnsmasq creates the lease file with the first lease.
      return (await Promise.all(parts)).flat().filter((line) => !/^process:|^file: .*\/leases$/.test(line));
    });
    const inner = new Ping(other.guest, other.neighbour);
    const outer = new Ping(machine.world, other.floating);
    const sufferAll = async (reach: Reach) => {
      for (const harm of harms.filter((each) => each.reach === reach)) await trials.suffer(harm);
    };
    await sufferAll('network');
    const lostOutside = await outer.stop();
    await sufferAll('egress');
    const lostInside = await inner.stop();
    await sufferAll('host');
    await store.close();
    if (trials.done === 0) campaign.finding('nothing was tried');
    const lost = lostInside.lost + lostOutside.lost;
    if (lost > 0) campaign.finding(`${lost} packets of another network were lost`);
    const packets = lostInside.sent + lostOutside.sent;
    return { drifts: `${trials.done} of ${harms.length}`, 'found and repaired': trials.repaired, packets, lost };
  } finally {
    await machine.remove();
  }
});
