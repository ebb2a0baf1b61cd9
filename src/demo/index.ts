import type { Host } from '../api/types.js';
import { openHost } from '../index.js';
import { emptyHost } from './chapters/empty-host.js';
import { floatingIp } from './chapters/floating-ip.js';
import { oneInstance } from './chapters/one-instance.js';
import { oneNetwork } from './chapters/one-network.js';
import { otherWaysIn } from './chapters/other-ways-in.js';
import { pool } from './chapters/pool.js';
import { removal } from './chapters/removal.js';
import { routedIp } from './chapters/routed-ip.js';
import { releaseClaims } from './claim.js';
import { snapshot } from './look.js';
import { type Check, formatReport, type Report, summarise } from './report.js';
import { checkRequirements } from './requirements.js';
import { type Chapter, Scene } from './scene.js';
import { Stage } from './stage.js';

export type { Check, Report } from './report.js';

export interface DemoOptions {
  /** Keep all namespaces and links at the end. */
  keep: boolean;
  /** Print the commands of every check. */
  verbose: boolean;
  /** Ends the demo early. Everything is removed then, even with `keep`. */
  signal: AbortSignal;
  /** Writes the text of the demo and the final table. */
  write: (text: string) => unknown;
}

/**
 * Runs the walk-through end to end, in temporary namespaces.
 * @throws PrivilegeError, MissingProgramError before anything is created; the signal's reason if it was aborted
 */
export async function runDemo({ keep, verbose, signal, write }: DemoOptions): Promise<Report> {
  await checkRequirements();
  const stage = await Stage.build(signal);
  const leftovers: string[] = [];
  const checks: Check[] = [];
  let host: Host | undefined;
  let scene: Scene | undefined;
  try {
    const before = await snapshot(stage.host);
    host = await openHost(stage.hostOptions);
    scene = new Scene(stage, host, signal, { verbose, write, checks });
    const chapters = [emptyHost, oneNetwork, oneInstance, floatingIp, routedIp, otherWaysIn, pool];
    await runChapters(scene, keep ? chapters : [...chapters, removal(before)]);
  } finally {
    if (keep && !signal.aborted && host !== undefined) {
      await stage.keep();
      await host.close();
    } else {
      leftovers.push(...(await removeStage(stage, host)));
    }
    await releaseClaims();
  }
  const report: Report = {
    ...summarise(checks, leftovers),
    ...(scene.networkId !== undefined && { network: scene.networkId }),
    ...(stage.record.kept && { kept: { folder: stage.folder, namespaces: stage.record.namespaces } }),
  };
  write(`\n${formatReport(report)}\n`);
  if (report.kept !== undefined) {
    write(nextSteps(stage));
  }
  return report;
}

/** Removes the namespaces and folders of earlier runs with `keep`. Returns the folders. */
export async function removeDemos(): Promise<string[]> {
  await checkRequirements();
  const removed: string[] = [];
  for (const stage of await Stage.leftBehind()) {
    // If the host can't be opened, its namespaces can still be removed.
    const host = await openHost(stage.hostOptions).catch(() => undefined);
    const leftovers = await removeStage(stage, host);
    if (leftovers.length > 0) {
      throw new Error(`could not be removed: ${leftovers.join(', ')}`);
    }
    removed.push(stage.folder);
  }
  return removed;
}

/** Runs the chapters in order. A chapter that throws is a failed check and the last one. */
async function runChapters(scene: Scene, chapters: readonly Chapter[]): Promise<void> {
  for (const chapter of chapters) {
    scene.open(chapter);
    try {
      await chapter.play(scene);
    } catch (error) {
      scene.signal.throwIfAborted();
      scene.check('the chapter ran to its end', false, error instanceof Error ? error.message : String(error));
      return;
    }
  }
}

/** Removes the networks with vethwork, and then the namespaces. Returns what could not be removed. */
async function removeStage(stage: Stage, host: Host | undefined): Promise<string[]> {
  const leftovers: string[] = [];
  try {
    for (const { uuid } of (await host?.listNetworks()) ?? []) {
      await (await host?.getNetwork(uuid))?.delete();
    }
    await host?.teardown();
    await host?.drained();
    if (host !== undefined) {
      await stage.setNetwork(undefined);
    }
  } catch (error) {
    leftovers.push(error instanceof Error ? error.message : String(error));
  } finally {
    await host?.close();
  }
  return [...leftovers, ...(await stage.remove())];
}

/** Commands to inspect and remove a kept demo. */
function nextSteps(stage: Stage): string {
  const { host, outside, ...instances } = stage.record.namespaces;
  const { stateDir: state } = stage.hostOptions;
  const options = `--state-dir ${state} --host-netns ${host} --egress-nic eth0 --floating-network 192.168.15.0/24`;
  return `
All namespaces and links are kept. To inspect them:
  ip netns exec ${host} ip address          the machine
  ip netns exec ${outside} ping 192.168.15.29
${Object.values(instances)
  .map((netns) => `  ip netns exec ${netns} sh\n`)
  .join('')}  ip netns exec ${stage.record.network} nft list ruleset
  vethwork ${options} status
To remove it:
  vethwork demo --remove
`;
}
