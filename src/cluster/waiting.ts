import { NodeError, NodeTimeoutError } from '../errors.js';
import { onAbort } from '../util/abort.js';
import { membersIn } from './membership.js';
import { appliedOf } from './records.js';
import type { ClusterContext } from './types.js';

/** Options of `waitForNodes`. */
export interface WaitOptions {
  network: string;
  /** Store revision that the nodes must have applied. */
  revision: number;
  /** Ids of the resources whose failure fails the call. */
  ids: readonly string[];
  /** Nodes that the call needs, even if they are not members. */
  essential: readonly string[];
  /** Nodes that the call waits for while they are members. */
  others: readonly string[];
  signal?: AbortSignal | undefined;
}

/**
 * Waits until nodes have applied a revision of a network.
 * @throws NodeError with the error of the first node that failed, NodeTimeoutError with the nodes that did not report
 *   progress
 */
export function waitForNodes(context: ClusterContext, wait: WaitOptions): Promise<void> {
  const { store, nodeTimeout, progress } = context;
  const members = () => new Set(membersIn(store).map(({ name }) => name));
  const pending = () => {
    const present = members();
    const nodes = [...new Set([...wait.essential, ...wait.others])];
    return nodes.filter((node) => {
      if (!wait.essential.includes(node) && !present.has(node)) return false;
      const applied = appliedOf(store, node, wait.network);
      if (applied === undefined || applied.revision < wait.revision) return true;
      const failed = wait.ids.find((each) => applied.problems[each] !== undefined);
      if (failed !== undefined) throw new NodeError(node, applied.problems[failed] ?? { code: 'ERROR', message: '' });
      return false;
    });
  };
  return new Promise((resolve, reject) => {
    const end = (settle: () => void) => {
      clearTimeout(timer);
      unsubscribe();
      removeAbortListener();
      settle();
    };
    const check = () => {
      try {
        if (pending().length === 0) end(resolve);
      } catch (error) {
        end(() => reject(error));
      }
    };
    const aborted = () => end(() => reject(wait.signal?.reason));
    const timer = setTimeout(() => {
      try {
        const late = pending();
        const present = members();
        const gone = late.filter((node) => !present.has(node));
        end(() => (late.length === 0 ? resolve() : reject(new NodeTimeoutError(late, gone, nodeTimeout))));
      } catch (error) {
        end(() => reject(error));
      }
    }, nodeTimeout);
    const unsubscribe = progress.watch(wait.network, check);
    const removeAbortListener = onAbort(wait.signal, aborted);
    if (wait.signal?.aborted) aborted();
    else check();
  });
}
