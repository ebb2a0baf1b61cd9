import { NodeError, NodeTimeoutError } from '../errors.js';
import { onAbort } from '../util/abort.js';
import { membersIn } from './membership.js';
import { appliedOf } from './records.js';
import type { ClusterContext } from './types.js';

/** Options of `waitForNodes`. A node may be in several lists; the first one counts. */
export interface WaitOptions {
  network: string;
  /** Store revision that the nodes must have applied. */
  revision: number;
  /** Ids of the resources whose failure fails the call. */
  ids: readonly string[];
  /** Returns the nodes that the call needs: the router may change. It fails at once if one of them is not a member. */
  essential: () => readonly string[];
  /** Returns the nodes that the call waits for while they are members. */
  awaited: () => readonly string[];
  /** As `awaited`, but after all other nodes only while the node reports something at least every `GRACE_MS`. */
  others: readonly string[];
  signal?: AbortSignal | undefined;
}

/**
 * Time that a call waits for nodes that it does not need and that report no progress with any network, in milliseconds.
 * Calls do not wait again for such a node, until it reports progress.
 */
const GRACE_MS = 5000;

/**
 * Waits until nodes have applied a revision of a network.
 * @throws NodeError with the error of the first node that failed, NodeTimeoutError with the nodes that did not report
 *   progress, at once if a needed node is not a member
 */
export function waitForNodes(context: ClusterContext, wait: WaitOptions): Promise<void> {
  const { store, nodeTimeout, progress } = context;
  const began = performance.now();
  const neededNodes = () => new Set([...wait.essential(), ...wait.awaited()]);
  const members = () => new Set(membersIn(store).map(({ name }) => name));
  const isLate = (node: string) => (appliedOf(store, node, wait.network)?.revision ?? -1) < wait.revision;
  const isPending = (node: string) => {
    if (isLate(node)) return true;
    const problems = appliedOf(store, node, wait.network)?.problems ?? {};
    const problem = wait.ids.map((each) => problems[each]).find((each) => each !== undefined);
    if (problem !== undefined) throw new NodeError(node, problem);
    return false;
  };
  return new Promise((resolve, reject) => {
    let grace: NodeJS.Timeout | undefined;
    const end = (settle: () => void) => {
      clearTimeout(timer);
      clearTimeout(grace);
      unsubscribe();
      removeAbortListener();
      settle();
    };
    const fail = (late: readonly string[], gone: readonly string[]) =>
      end(() => reject(new NodeTimeoutError(late, gone, Math.round(performance.now() - began))));
    const check = () => {
      try {
        const present = members();
        const needed = neededNodes();
        const essential = wait.essential();
        const isAwaited = (node: string) => essential.includes(node) || present.has(node);
        const late = [...needed].filter((node) => isAwaited(node) && isPending(node));
        const gone = late.filter((node) => !present.has(node));
        if (gone.length > 0) return fail(late, gone);
        const others = wait.others.filter((node) => !needed.has(node));
        const left = others.filter((node) => present.has(node) && !progress.isSlow(node) && isPending(node));
        if (late.length + left.length === 0) end(resolve);
        else if (late.length === 0) grace ??= setTimeout(passOver, GRACE_MS, left);
        return undefined;
      } catch (error) {
        return end(() => reject(error));
      }
    };
    const passOver = (nodes: readonly string[]) => {
      grace = undefined;
      for (const node of nodes) if (progress.silence(node) >= GRACE_MS) progress.markSlow(node);
      check();
    };
    const aborted = () => end(() => reject(wait.signal?.reason));
    const timer = setTimeout(() => {
      const present = members();
      const late = [...new Set([...neededNodes(), ...wait.others])].filter(isLate);
      fail(
        late,
        late.filter((node) => !present.has(node)),
      );
    }, nodeTimeout);
    const unsubscribe = progress.watch(wait.network, check);
    const removeAbortListener = onAbort(wait.signal, aborted);
    if (wait.signal?.aborted) aborted();
    else check();
  });
}
