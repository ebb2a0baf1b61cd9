/**
 * Several processes perform hundreds of concurrent operations on the same networks, and delete networks meanwhile. All
 * calls must end, no address may be allocated twice, and the final state must match the successful calls.
 */

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { repairText } from '../../src/format/repair.js';
import { openLmdbStore } from '../../src/store/lmdb.js';
import { TestHost } from '../support/host.js';
import { eventually } from '../support/namespaces.js';
import { audit, type Stage } from './audit.js';
import { type Campaign, runCampaign } from './campaign.js';
import type { Call, ChildMessage, Work } from './concurrency-child.js';

const CHILD = fileURLToPath(new URL('concurrency-child.js', import.meta.url));
const PROCESSES = 4;
/** Number of concurrent calls of all processes. */
const AT_ONCE = 200;
/** Number of calls per round of all processes. */
const CALLS = 400;
/** Timeout of a round in milliseconds. Exceeding it means a deadlock. */
const PATIENCE = 120_000;

/** Starts all processes at the same time. Resolves to all their calls. */
async function round(campaign: Campaign, machine: TestHost, prefix: string): Promise<Call[]> {
  const calls: Call[] = [];
  const children = Array.from({ length: PROCESSES }, () => fork(CHILD, { stdio: ['ignore', 2, 2, 'ipc'] }));
  const ready = children.map((child) => once(child, 'message'));
  await Promise.all(ready);
  const ended = children.map(async (child: ChildProcess) => {
    child.on('message', (report: ChildMessage) => {
      if (report.event === 'surprise') campaign.finding(report.text);
      if (report.event === 'done') calls.push(...report.calls);
    });
    const [code, signal] = await once(child, 'exit');
    if (code !== 0) campaign.finding(`a process ended with ${code ?? signal}`);
  });
  for (const [index, child] of children.entries()) {
    const work: Work = {
      options: machine.options,
      seed: campaign.random.fork(),
      letter: 'abcdefgh'[index] as string,
      prefix,
      width: AT_ONCE / PROCESSES,
      count: CALLS / PROCESSES,
    };
    child.send(work);
  }
  const timer = setTimeout(() => {
    campaign.finding(`the calls have not come to an end after ${PATIENCE} ms`);
    for (const child of children) child.kill('SIGKILL');
  }, PATIENCE);
  await Promise.all(ended);
  clearTimeout(timer);
  return calls;
}

/** Results that are impossible for every order of the calls. */
function judge(calls: readonly Call[], remaining: readonly string[]): string[] {
  const done = calls.filter(({ failed }) => failed === undefined);
  const of = (...kinds: Call['call'][]) => done.filter(({ call }) => kinds.includes(call));
  return [
    ...doubles(of('attach').filter(({ isSlot }) => !isSlot)),
    // A released slot keeps its address, and its next user gets it. Two networks may have the same addresses.
    ...[...new Set(done.map(({ network }) => network))].flatMap((uuid) => {
      const inNetwork = ({ network }: Call) => network === uuid;
      return overlaps(
        of('attach').filter(inNetwork),
        calls.filter(({ call }) => /^(detach|delete)$/.test(call)),
      );
    }),
    ...overlaps(of('float'), [...calls.filter(({ call }) => /^(defloat|detach|delete)$/.test(call))]),
    ...overlaps(of('route'), [...calls.filter(({ call }) => /^(unroute|delete)$/.test(call))]),
    ...afterDeletion(of('attach', 'float', 'route'), of('delete')),
    ...strangeRest(done, calls, remaining),
  ];
}

/** Deletion halo: longer than the campaign, so that released addresses are not allocated again. */
function doubles(attached: readonly Call[]): string[] {
  const seen = new Set<string>();
  return attached.flatMap(({ network, address }) => {
    const key = `${network} ${address}`;
    const known = seen.has(key);
    seen.add(key);
    return known ? [`address ${address} of ${network} was given twice`] : [];
  });
}

/** Addresses that were allocated again before their release began. */
function overlaps(given: readonly Call[], releases: readonly Call[]): string[] {
  const sorted = [...given].sort((left, right) => left.ended - right.ended);
  return sorted.flatMap((first, index) =>
    sorted
      .slice(index + 1)
      .filter((second) => second.address === first.address && second.began > first.ended)
      .slice(0, 1)
      .filter(
        (second) =>
          !releases.some(
            (release) =>
              release.network === first.network &&
              (release.interface === undefined || release.interface === first.interface) &&
              (release.call !== 'unroute' || release.address === first.address) &&
              release.began < second.ended &&
              release.ended > first.began,
          ),
      )
      .map((second) => `address ${first.address} was given to ${second.network} while ${first.network} had it`),
  );
}

function afterDeletion(made: readonly Call[], deleted: readonly Call[]): string[] {
  return made
    .filter(({ network, began }) => deleted.some((deletion) => deletion.network === network && deletion.ended < began))
    .map(({ call, network }) => `${call} succeeded in network ${network} after its deletion`);
}

/** Checks that objects exist unless a removal began, and that removed objects do not exist. */
function strangeRest(done: readonly Call[], all: readonly Call[], remaining: readonly string[]): string[] {
  const there = new Set(remaining);
  return done
    .filter(({ call }) => call === 'attach')
    .flatMap(({ network, interface: uuid }) => {
      const isRemoval = (call: Call) =>
        (call.call === 'detach' && call.interface === uuid) || (call.call === 'delete' && call.network === network);
      if (!there.has(uuid as string)) return all.some(isRemoval) ? [] : [`interface ${uuid} is lost`];
      return done.some(isRemoval) ? [`interface ${uuid} was removed and is there`] : [];
    });
}

await runCampaign('concurrency', 60, async (campaign) => {
  const machine = await TestHost.create();
  const counts = { rounds: 0, calls: 0, refused: 0 };
  try {
    const host = await machine.open();
    const store = await openLmdbStore(machine.options.stateDir);
    const stage: Stage = {
      store,
      state: machine.options.stateDir,
      node: machine.node.name,
      guests: [],
      links: ['lo', 'eth0'],
      prefix: `c6${campaign.seed.toString(16).padStart(8, '0').slice(-6)}`,
    };
    do {
      for (const services of [{}, { provideDhcp: false }, { provideDhcp: false }, { provideDns: true }]) {
        const uuid = `${stage.prefix}-0000-4000-8000-${campaign.random.fork().toString(16).padStart(12, '0')}`;
        const network = await host.createNetwork({
          ...{ name: `network ${uuid}`, netblock: '10.5.0.0/22', uuid },
          ...services,
        });
        await network.prepare({ kind: 'tap', min: 4, max: 12 });
      }
      const calls = await round(campaign, machine, stage.prefix);
      counts.rounds++;
      counts.calls += calls.length;
      counts.refused += calls.filter(({ failed }) => failed !== undefined).length;
      // The pools are refilled in the background.
      await eventually(async () => {
        const isAtRest = (await host.listInterfaces()).every(({ state }) => state === 'created' || state === 'free');
        return isAtRest && (await host.listPools()).every(({ free, min }) => free >= min);
      });
      await host.drained();
      const remaining = await host.listInterfaces();
      for (const text of judge(
        calls,
        remaining.map(({ uuid }) => uuid),
      ))
        campaign.finding(text);
      for (const text of await audit(stage)) campaign.finding(text);
      for (const result of await host.reconcile({ dryRun: true })) {
        campaign.finding(`to be repaired: ${repairText(result)}`);
      }
      for (const { uuid } of await host.listNetworks()) await (await host.getNetwork(uuid)).delete();
      await host.drained();
      for (const text of await audit(stage)) campaign.finding(`with all deleted: ${text}`);
    } while (!campaign.expired() && campaign.findings.length === 0);
    if (counts.calls === counts.refused) campaign.finding('no call has succeeded');
    await store.close();
    return { processes: PROCESSES, 'at once': AT_ONCE, ...counts };
  } finally {
    await machine.remove();
  }
});
