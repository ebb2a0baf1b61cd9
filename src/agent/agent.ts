import { setTimeout as delay } from 'node:timers/promises';
import { openNode } from '../cluster/open.js';
import { problemOf } from '../cluster/realiser.js';
import { ConflictError, StoreError } from '../errors.js';
import type { DriftWatch } from '../model/observation.js';
import type { AgentConfig } from './config.js';
import { Metrics, type Observed, serve } from './endpoint.js';

const LEVELS = ['debug', 'info', 'warn', 'error'] as const;
type Level = (typeof LEVELS)[number];

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 10_000;

/**
 * The agent of a node: does the node's part of every network until the signal is aborted, and leaves everything running
 * then. Says what it does in lines of JSON.
 */
export async function runAgent(
  config: AgentConfig,
  { signal, write }: { signal: AbortSignal; write: (line: string) => unknown },
): Promise<void> {
  const log = (level: Level, message: string, more: object = {}) => {
    if (LEVELS.indexOf(level) < LEVELS.indexOf(config.logLevel)) return;
    const { node } = config.host;
    write(`${JSON.stringify({ time: new Date().toISOString(), level, node, message, ...more })}\n`);
  };
  let observed: Observed | undefined;
  let drift: Promise<DriftWatch | undefined> = Promise.resolve(undefined);
  const metrics = new Metrics(() => observed);
  const endpoint = await serve(config.listen, metrics, () => observed);
  log('info', 'agent started', { pid: process.pid, listen: config.listen });
  for (const warning of config.warnings) log('warn', warning);
  try {
    const opened = await openPatiently();
    if (opened === undefined) return;
    observed = { ...opened, store: opened.node.store };
    const stopWatching = opened.node.store.onOutage((isOut) =>
      isOut ? log('error', 'store unreachable') : log('info', 'store reachable'),
    );
    drift = opened.host
      .watchDrift({
        onRepair: (repairs) => noteRepairs(repairs),
        onError: (error) => {
          // The agent in charge does it.
          if (!(error instanceof ConflictError)) log('warn', 'look for drift failed', { error: problemOf(error) });
        },
      })
      .catch(() => undefined);
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
    log('info', 'agent stops, networks keep running');
    stopWatching();
    await (await drift)?.close();
    await opened.host.close();
  } finally {
    endpoint.closeAllConnections();
    await new Promise((resolve) => endpoint.close(resolve));
    log('info', 'agent ended');
  }

  function noteRepairs(repairs: readonly string[]): void {
    metrics.repairs.inc(repairs.length);
    for (const repair of repairs) log('warn', 'repaired', { repair });
  }

  /** The store may come later than the agents, as may the network node. */
  async function openPatiently() {
    for (let pause = FIRST_PAUSE_MS; !signal.aborted; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
      try {
        return await openNode(config.host, {
          seat: (isHolder) => log('info', isHolder ? 'this process is the node’s agent' : 'seat lost'),
          realised: (network, milliseconds, problems) => {
            metrics.realised.observe(milliseconds / 1000);
            const failed = Object.keys(problems).length > 0;
            if (failed) metrics.problems.inc();
            log(failed ? 'error' : 'debug', 'network realised', {
              ...{ network, milliseconds: Math.round(milliseconds) },
              ...(failed && { problems }),
            });
          },
          failed: (what, error) => log('error', `${what} failed`, { error: problemOf(error) }),
          repaired: noteRepairs,
        });
      } catch (error) {
        if (!(error instanceof StoreError || error instanceof ConflictError)) throw error;
        log('error', 'node can’t be opened yet', { error: problemOf(error) });
        await delay(pause, undefined, { signal }).catch(() => undefined);
      }
    }
    return undefined;
  }
}
