/**
 * npm run campaign:cluster [-- --seed N --budget SECONDS --count STEPS --nodes N]: random concurrent operations on a
 * cluster, while agents are killed, stopped and restarted. Every few steps and at the end, the campaign checks the
 * forwarding entries of each node and searches for objects without records. At the end, it checks the complete state.
 */

import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { CombinedError } from '../../src/errors.js';
import { repairText } from '../../src/format/repair.js';
import type { Host } from '../../src/index.js';
import { TestCluster } from '../support/cluster.js';
import { meshFindings } from '../support/mesh.js';
import { lastFindings } from '../support/namespaces.js';
import { Agents } from './agents.js';
import { runCampaign } from './campaign.js';
import { leftovers } from './leftovers.js';

const CHILD = fileURLToPath(new URL('cluster-child.js', import.meta.url));
/** Number of concurrent operations. */
const AT_ONCE = 8;
const LOOK_EVERY = 25;
const LONGEST_ABSENCE = 4000;
const SETTLED = 90_000;
/** Expected errors: concurrent changes of the same object, and nodes that are unavailable. */
const ORDINARY = [
  'ERR_VETHWORK_CONFLICT',
  'ERR_VETHWORK_NOT_FOUND',
  'ERR_VETHWORK_CONGESTED',
  'ERR_VETHWORK_NODE_TIMEOUT',
];

await runCampaign('cluster', 60, async (campaign) => {
  const { random } = campaign;
  const cluster = await TestCluster.create({ nodes: campaign.nodes, options: { leaseTime: 2000, nodeTimeout: 10000 } });
  const agents = new Agents(cluster, CHILD);
  const calls = { attach: 0, detach: 0, migrate: 0, create: 0, delete: 0, prepare: 0, claim: 0, unprepare: 0 };
  const counts = { ...calls, switched: 0, kill: 0, stop: 0, refused: 0, looks: 0 };
  /** A client handle for each node. */
  const hosts: Host[] = [];
  /** Agents that are scheduled for a restart. */
  const returns: Promise<void>[] = [];
  /** All networks, including deleted ones. */
  const made = new Set<string>();
  let taps = 0;
  let count = 0;

  const isOrdinary = (error: unknown): boolean =>
    error instanceof CombinedError
      ? error.errors.every(isOrdinary)
      : ORDINARY.includes((error as { code?: string }).code ?? '');
  const attempt = async (what: keyof typeof calls, work: () => Promise<unknown>) => {
    counts[what]++;
    await work().catch((error: Error & { code?: string }) => {
      counts.refused++;
      if (!isOrdinary(error)) campaign.finding(`${what}: ${error.code} ${error.message}\n${agents.log.join('\n')}`);
    });
  };
  const step = async () => {
    const host = random.pick(hosts) as Host;
    const chance = random.integer(0, 99);
    const tap = `c${taps++}`;
    const networks = await host.listNetworks();
    const network = random.pick(networks)?.uuid;
    if (network === undefined || (chance < 8 && networks.length < 4)) {
      const uuid = randomUUID();
      made.add(uuid);
      const options = { name: `network ${uuid}`, uuid, netblock: '10.7.0.0/24', provideDhcp: random.chance(0.3) };
      return attempt('create', () => host.createNetwork(options));
    }
    if (chance < 35) return attempt('attach', async () => (await host.getNetwork(network)).attach({ tap }));
    if (chance < 47) return stepOfPool(host, network, chance);
    if (chance < 62) {
      const nic = random.pick(await host.listInterfaces());
      const to = `node${random.integer(1, campaign.nodes)}`;
      const isSwitched = random.chance(0.8);
      if (nic !== undefined && nic.node !== to)
        await attempt('migrate', async () => {
          const migration = await (await host.getInterface(nic.uuid)).migrate({ to });
          try {
            if (isSwitched) await migration.switch();
            if (isSwitched) counts.switched++;
          } finally {
            await migration[Symbol.asyncDispose]();
          }
        });
      return;
    }
    if (chance < 80) {
      const nic = random.pick(await host.listInterfaces());
      if (nic !== undefined) await attempt('detach', async () => (await host.getInterface(nic.uuid)).detach());
      return;
    }
    if (chance < 85) return attempt('delete', async () => (await host.getNetwork(network)).delete());
    await strike();
  };

  /** Prepares a pool on the node of a host, claims from one, or deletes one of any node. */
  const stepOfPool = async (host: Host, network: string, chance: number) => {
    const pools = await host.listPools();
    const here = random.pick(pools.filter(({ node }) => node === host.info.node));
    const any = random.pick(pools);
    const min = random.integer(1, 3);
    if (chance > 44 && any !== undefined) {
      return attempt('unprepare', async () => (await (await host.getNetwork(any.network)).getPool(any.uuid)).delete());
    }
    if (chance > 37 && here !== undefined)
      return attempt('claim', async () => (await host.getNetwork(here.network)).attach({ slot: here.uuid }));
    return attempt('prepare', async () => (await host.getNetwork(network)).prepare({ kind: 'tap', min, max: 4 }));
  };

  /** Stops or kills an agent. It restarts before its lease expires, some time after that, or after the next check. */
  const strike = async () => {
    const number = random.pick(agents.running);
    const isKilled = random.chance(0.8);
    const pause = random.integer(0, LONGEST_ABSENCE);
    const comesBack = number === 1 || random.chance(0.7);
    if (number === undefined) return;
    counts[isKilled ? 'kill' : 'stop']++;
    await agents.stop(number, isKilled ? 'SIGKILL' : 'SIGTERM');
    if (comesBack) returns.push(delay(pause).then(() => agents.start(number)));
  };

  /** Differences between the actual and the expected state, after all changes have settled. */
  const look = async () => {
    counts.looks++;
    await Promise.all(returns.splice(0));
    const observer = hosts[0] as Host;
    // Those that could not be aborted, because a node was gone.
    for (const { interface: uuid, state } of await observer.listMigrations()) {
      if (state === 'prepared')
        await attempt('migrate', async () => (await (await observer.getInterface(uuid)).migration())?.abort());
    }
    const last = await lastFindings(async () => {
      const members = (await observer.refresh()).nodes?.filter(({ state }) => state === 'member').length;
      return members === agents.running.length
        ? [
            ...(await meshFindings(cluster, observer, agents.stopped)),
            ...(await leftovers(cluster, made, agents.stopped)),
          ]
        : [`${members} members of ${agents.running.length}`];
    }, SETTLED);
    for (const text of last) campaign.finding(`after ${count} steps: ${text}\n${agents.log.join('\n')}`);
  };

  try {
    for (let number = 1; number <= campaign.nodes; number++) {
      hosts.push(await cluster.open(number, { agent: false }));
      await agents.start(number);
    }
    const isOver = () => campaign.expired(count) || campaign.findings.length > 0;
    while (!isOver()) {
      const until = count + LOOK_EVERY;
      const walk = async () => {
        while (count < until && !isOver()) {
          count++;
          await step();
        }
      };
      await Promise.all(Array.from({ length: AT_ONCE }, walk));
      await look();
      for (const number of agents.stopped) await agents.start(number);
    }
    await look();
    for (const [index, host] of hosts.entries()) {
      const last = await lastFindings(async () => (await host.reconcile({ dryRun: true })).map(repairText), SETTLED);
      for (const text of last) campaign.finding(`in the end, on node${index + 1}: ${text}`);
    }
    const tried = counts.attach + counts.detach + counts.migrate + counts.create + counts.delete;
    if (tried === counts.refused) campaign.finding('no call has succeeded');
    return { nodes: campaign.nodes, steps: count, ...counts };
  } finally {
    await Promise.all(returns);
    await cluster.deleteNetworks();
    await agents[Symbol.asyncDispose]();
    await cluster[Symbol.asyncDispose]();
  }
});
