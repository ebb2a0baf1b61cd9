import { openNode } from '../api/open-host.js';
import type { DriftWatch, RepairResult } from '../api/types.js';
import { ConflictError, StoreError } from '../errors.js';
import { Backoff } from '../util/backoff.js';
import type { AgentConfig } from './config.js';
import { Metrics, type Observed, serve } from './endpoint.js';
import { createLogger } from './logger.js';

/** Pauses between attempts to open the node. */
const BACKOFF = { initial: 500, maximum: 10_000 };

/**
 * Runs the agent of a node until the signal is aborted. The agent applies the desired state of every network to its node.
 * When it ends, the networks keep running.
 * @param write takes one line of the log, which is JSON
 */
export async function runAgent(
  config: AgentConfig,
  { signal, write }: { signal: AbortSignal; write: (line: string) => unknown },
): Promise<void> {
  const log = createLogger({ level: config.logLevel, node: config.host.node, write });
  let observed: Observed | undefined;
  let drift: Promise<DriftWatch | undefined> = Promise.resolve(undefined);
  const metrics = new Metrics(() => observed);
  const endpoint = await serve(config.listen, metrics, () => observed);
  log.info({ pid: process.pid, listen: config.listen }, 'agent started');
  for (const warning of config.warnings) log.warn(warning);
  try {
    const opened = await openWithRetry();
    if (opened === undefined) return;
    observed = { ...opened, store: opened.node.store };
    const stopWatching = opened.node.store.onOutage((isOut) =>
      isOut ? log.error('store unreachable') : log.info('store reachable'),
    );
    drift = opened.host
      .watchDrift({
        onRepair: logRepairs,
        onError: (error) => {
          // A ConflictError says that another process is the agent of this node and repairs drift.
          if (!(error instanceof ConflictError)) log.warn({ err: error }, 'drift detection failed');
        },
      })
      .catch((error: unknown) => {
        log.error({ err: error }, 'drift watch not started');
        return undefined;
      });
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
    log.info('agent stops, networks keep running');
    stopWatching();
    await (await drift)?.close();
    await opened.host.close();
  } finally {
    endpoint.closeAllConnections();
    await new Promise((resolve) => endpoint.close(resolve));
    log.info('agent ended');
  }

  function logRepairs(repairs: readonly RepairResult[]): void {
    metrics.repairs.inc(repairs.length);
    for (const repair of repairs) log.warn({ repair }, repair.error === undefined ? 'repaired' : 'repair failed');
  }

  /** Opens the node. Retries while the store or the network node is not available; they may start after this agent. */
  async function openWithRetry() {
    const backoff = new Backoff(BACKOFF);
    while (!signal.aborted) {
      try {
        return await openNode(config.host, {
          leadership: (isLeader) => log.info(isLeader ? 'leadership acquired' : 'leadership lost'),
          reconciled: (network, milliseconds, problems) => {
            metrics.reconciled.observe(milliseconds / 1000);
            const hasFailed = Object.keys(problems).length > 0;
            if (hasFailed) metrics.failures.inc();
            const details = { network, milliseconds: Math.round(milliseconds), ...(hasFailed && { problems }) };
            if (hasFailed) log.error(details, 'network reconciled with errors');
            else log.debug(details, 'network reconciled');
          },
          failed: (what, error) => log.error({ err: error }, `${what} failed`),
          repaired: logRepairs,
        });
      } catch (error) {
        if (!(error instanceof StoreError || error instanceof ConflictError)) throw error;
        log.error({ err: error }, 'node not opened');
        // An abort ends the loop.
        await backoff.wait({ signal }).catch(() => undefined);
      }
    }
    return undefined;
  }
}
