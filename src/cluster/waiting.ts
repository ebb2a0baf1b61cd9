import { NodeError, NodeTimeoutError } from '../errors.js';
import { onAbort } from '../util/abort.js';
import { membersIn } from './membership.js';
import { appliedOf } from './records.js';
import type { ClusterContext } from './types.js';

export interface Wait {
  network: string;
  /** The store's revision that has to be done. */
  revision: number;
  /** Ids of the resources whose failure fails the call. */
  ids: readonly string[];
  /** Nodes without which it can't be done: waited for though they are gone. */
  essential: readonly string[];
  /** Waited for while they are members. */
  others: readonly string[];
  signal?: AbortSignal | undefined;
}

/**
 * Waits until nodes have done what the store says, or have something to say about it.
 * @throws NodeError the first node's that could not, NodeTimeoutError naming those that did not answer
 */
export function waitForNodes(context: ClusterContext, wait: Wait): Promise<void> {
  const { store, nodeTimeout } = context;
  const members = () => new Set(membersIn(store).map(({ name }) => name));
  const pending = () => {
    const heardOf = members();
    const nodes = [...new Set([...wait.essential, ...wait.others])];
    return nodes.filter((node) => {
      if (!wait.essential.includes(node) && !heardOf.has(node)) return false;
      const applied = appliedOf(store, node, wait.network);
      if (applied === undefined || applied.revision < wait.revision) return true;
      const item = wait.ids.find((each) => applied.problems[each] !== undefined);
      if (item !== undefined) throw new NodeError(node, applied.problems[item] ?? { code: 'ERROR', message: '' });
      return false;
    });
  };
  return new Promise((resolve, reject) => {
    const end = (settle: () => void) => {
      clearTimeout(timer);
      unsubscribe();
      stay();
      settle();
    };
    const look = () => {
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
        const heardOf = members();
        const gone = late.filter((node) => !heardOf.has(node));
        end(() => (late.length === 0 ? resolve() : reject(new NodeTimeoutError(late, gone, nodeTimeout))));
      } catch (error) {
        end(() => reject(error));
      }
    }, nodeTimeout);
    const unsubscribe = store.onChange(look);
    const stay = onAbort(wait.signal, aborted);
    if (wait.signal?.aborted) aborted();
    else look();
  });
}
