/**
 * npm run campaign:cluster [-- --seed N --budget SECONDS --count STEPS]: random steps on a cluster, and after every few of
 * them a look whether each node's forwarding entries are those that follow from who is where.
 */
import type { Host } from '../../src/index.js';
import { TestCluster } from '../support/cluster.js';
import { meshFindings } from '../support/mesh.js';
import { eventually } from '../support/namespaces.js';
import { runCampaign } from './campaign.js';

const NODES = 5;
const LOOK_EVERY = 10;
const SETTLED = 90_000;

await runCampaign('cluster', 60, async (campaign) => {
  const { random } = campaign;
  const cluster = await TestCluster.create({ nodes: NODES, options: { leaseTime: 2, nodeTimeout: 30 } });
  const counts = { attach: 0, detach: 0, kill: 0, return: 0, create: 0, delete: 0, refused: 0, looks: 0 };
  const hosts = new Map<number, Host>();
  let taps = 0;

  const alive = () => [...hosts.keys()];
  const attempt = async (what: keyof typeof counts, work: () => Promise<unknown>) => {
    counts[what]++;
    await work().catch((error: { code?: string; message: string }) => {
      counts.refused++;
      if (!['CONFLICT', 'NOT_FOUND', 'CONGESTED'].includes(error.code ?? '')) {
        campaign.finding(`${what}: ${error.code} ${error.message}\n${cluster.log.join('\n')}`);
      }
    });
  };
  const step = async () => {
    const host = hosts.get(random.pick(alive()) ?? 1) as Host;
    const networks = await host.listNetworks();
    const network = random.pick(networks)?.uuid;
    const chance = random.integer(0, 99);
    if (network === undefined || (chance < 4 && networks.length < 4)) {
      return attempt('create', () =>
        host.createNetwork({ name: 'net', netblock: '10.7.0.0/24', provideDhcp: random.chance(0.3) }),
      );
    }
    if (chance < 50) {
      return attempt('attach', async () => (await host.getNetwork(network)).attach({ tap: `c${taps++}` }));
    }
    if (chance < 88) {
      const nic = random.pick(await host.listInterfaces());
      if (nic !== undefined) await attempt('detach', async () => (await host.getInterface(nic.uuid)).detach());
      return;
    }
    if (chance < 91) return attempt('delete', async () => (await host.getNetwork(network)).delete());
    // An agent ends (as far as others can tell, whether killed or not) or comes back.
    const gone = cluster.nodes.map((_, index) => index + 1).filter((number) => !hosts.has(number));
    const back = random.pick(gone);
    if (back !== undefined && random.chance(0.6)) {
      return attempt('return', async () => void hosts.set(back, await cluster.open(back)));
    }
    const leaving = random.pick(alive().filter((number) => number !== 1));
    if (leaving === undefined || alive().length <= 2) return;
    await attempt('kill', async () => {
      const going = hosts.get(leaving);
      hosts.delete(leaving);
      await going?.close();
    });
  };

  try {
    for (const [index, host] of (await cluster.openAll()).entries()) hosts.set(index + 1, host);
    let count = 0;
    while (!campaign.expired(count) && campaign.findings.length === 0) {
      count++;
      await step();
      if (count % LOOK_EVERY > 0 && !campaign.expired(count)) continue;
      counts.looks++;
      const gone = cluster.nodes.map((_, index) => index + 1).filter((number) => !hosts.has(number));
      const observer = hosts.get(1) as Host;
      let last: string[] = [];
      // Members leave when their time is up, and their mesh entries with them.
      await eventually(async () => {
        const { nodes = [] } = await observer.refresh();
        const members = nodes.filter(({ state }) => state === 'member').length;
        last = members === hosts.size ? await meshFindings(cluster, observer, gone) : [`${members} members`];
        return last.length === 0;
      }, SETTLED).catch(() => {
        for (const text of last) campaign.finding(`after ${count} steps: ${text}`);
      });
    }
    return { nodes: NODES, steps: count, ...counts };
  } finally {
    await cluster[Symbol.asyncDispose]();
  }
});
