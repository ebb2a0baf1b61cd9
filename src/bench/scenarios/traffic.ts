import type { CaseResult } from '../measure.js';
import { findCni } from '../peers/cni.js';
import { missingPrograms } from '../peers/requirements.js';
import type { Fact, Scenario, Setting } from '../scenario.js';
import { quantile } from '../statistics.js';
import { cniTopology, copyTopology, plainTopology, readMtus, type Topology, vethworkTopology } from '../topology.js';
import { measurePath, type Path, type Protocol, verifyPath } from '../traffic.js';

/** Measurements of each path, besides one that is discarded. They alternate between the topologies. */
const RUNS = 5;
const QUICK_RUNS = 1;
const COPY = 'hand-built copy';

const PATHS = [
  ['ports', 'traffic between guarded ports'],
  ['nat', 'traffic through NAT'],
  ['floating', 'traffic to a floating address'],
] as const;

const UNITS: Record<Protocol, string> = { TCP: 'Gbit/s', UDP: 'packets/s' };

/** A path of one topology, with its results. */
interface Lane {
  title: string;
  path: Path;
  samples: Record<Protocol, number[]>;
  failed?: string;
}

/** The data path: TCP throughput and rate of 64-byte UDP datagrams, beside a hand-built copy of the topology and plain NAT. */
export const traffic: Scenario = {
  name: 'traffic',
  title: 'Data path: TCP throughput and 64-byte UDP datagrams (iperf3)',
  run: async (setting) => {
    const own = setting.entrants.find(({ contender }) => contender.lan.outside !== undefined)?.peer;
    if (own === undefined) return { cases: [] };
    const missing = await missingPrograms({ iperf3: 'iperf3', nft: 'nftables', ip: 'iproute2' });
    if (missing !== undefined) return { cases: [failedCase('traffic', [[own.name, missing]])] };
    const topologies: [string, Topology][] = [];
    try {
      const vethwork = await vethworkTopology(setting.stage, own.name === 'model');
      topologies.push([own.title, vethwork]);
      const mtus = await readMtus(vethwork.ports as Path);
      topologies.push([COPY, await copyTopology(mtus)], ['plain NAT', await plainTopology(mtus)]);
      const cni = setting.entrants.find(({ peer }) => peer.name === 'cni')?.peer;
      const program = await findCni();
      if (cni !== undefined && program !== undefined) {
        topologies.push([cni.title, await cniTopology(mtus, program, await setting.stage.contenderFolder('cni'))]);
      }
      const [cases, facts]: [CaseResult[], Fact[]] = [[], []];
      for (const [name, title] of PATHS) {
        const lanes = topologies.flatMap(([owner, { [name]: path }]): Lane[] =>
          path === undefined ? [] : [{ title: owner, path, samples: { TCP: [], UDP: [] } }],
        );
        await measureLanes(setting, title, lanes);
        const failures = lanes.flatMap(({ title: owner, failed }): [string, string][] =>
          failed === undefined ? [] : [[owner === own.title ? own.name : owner, failed]],
        );
        if (failures.length > 0) cases.push(failedCase(title, failures));
        facts.push(...toFacts(title, lanes));
      }
      return { cases, facts };
    } finally {
      for (const [, topology] of topologies) await topology.close();
    }
  },
};

const failedCase = (title: string, failures: readonly [string, string][]): CaseResult => ({
  name: title.replaceAll(' ', '-'),
  title,
  contenders: failures.map(([peer, failed]) => ({ peer, figures: {}, failed })),
});

async function measureLanes(
  { stage, quick, signal, progress }: Setting,
  title: string,
  lanes: readonly Lane[],
): Promise<void> {
  for (let run = 0; run <= (quick ? QUICK_RUNS : RUNS); run++) {
    for (const lane of lanes) {
      signal.throwIfAborted();
      progress(`${title}: ${run === 0 ? 'warm-up' : `run ${run}`}, ${lane.title}`);
      try {
        if (run === 0) await verifyPath(stage.kernel, lane.path);
        for (const protocol of ['TCP', 'UDP'] as const) {
          if (lane.failed !== undefined || (quick && run === 0)) continue;
          const value = await measurePath(lane.path, protocol, quick);
          if (run > 0) lane.samples[protocol].push(value);
        }
      } catch (error) {
        lane.failed = `failed: ${(error as Error).message}`;
      }
    }
  }
}

function toFacts(title: string, lanes: readonly Lane[]): Fact[] {
  const sound = lanes.filter(({ failed }) => failed === undefined);
  return (['TCP', 'UDP'] as const).flatMap((protocol) => {
    const median = (lane: Lane) => quantile(lane.samples[protocol], 0.5);
    const values = sound.map((lane): Fact => {
      return { name: `${title}, ${protocol}, ${lane.title}`, value: median(lane), unit: UNITS[protocol] };
    });
    const [own, ...others] = sound;
    if (own === undefined || own !== lanes[0]) return values;
    const ratios = others.map((other): Fact => {
      const name = `${title}, ${protocol}, ${own.title} / ${other.title}`;
      return { name, value: median(own) / median(other), unit: 'x' };
    });
    return [...values, ...ratios];
  });
}
