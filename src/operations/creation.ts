import type { Context } from '../host/context.js';
import type { Creation } from '../host/coordinator.js';

/**
 * Applies reserved resources, then settles their record. After an error, undoes what was reserved and applied, and throws
 * the error. Reconciliation removes what the undo cannot. What is undone is flushed, so that a failed call does not come back
 * after a failure of the machine.
 * @param steps.undo `isCreated` is false if nothing was created on a lone host
 */
export async function applyAndSettle<Result>(
  { coordinator, store }: Context,
  creation: Creation,
  { settle, undo }: { settle: () => Promise<Result>; undo: (applied: { isCreated: boolean }) => Promise<void> },
): Promise<Result> {
  let isCreated = false;
  try {
    await coordinator.apply(creation);
    isCreated = true;
    return await settle();
  } catch (error) {
    await undo({ isCreated }).catch(() => undefined);
    await store.flush().catch(() => undefined);
    throw error;
  }
}
