/** Milliseconds that callers may run in one turn of the event loop before the next one yields. */
const SLICE = 0.25;
/** Promise jobs (microtasks) that run after a caller is admitted and before the next one is. */
const STEPS = 4;

/** Time at which the first caller of this turn of the event loop was admitted. */
let began: number | undefined;
const waiting: (() => void)[] = [];
let isAdmitting = false;
/** One promise for all steps: an `await` for each step allocates three times as much memory. */
const settled = Promise.resolve();

/**
 * Yields to the event loop. Resolves at once, or in a later turn of the event loop if earlier callers have used up the time
 * slice of this turn. Callers are admitted in FIFO order. A thousand concurrent calls thus leave time for other events.
 */
export function yieldToEventLoop(): Promise<void> {
  const turn = new Promise<void>((resolve) => waiting.push(resolve));
  if (!isAdmitting) admit();
  return turn;
}

/** True if callers of `yieldToEventLoop` wait for their turn. */
export const isYielding = (): boolean => waiting.length > 0;

/** Like `yieldToEventLoop`, but resolves at once if no caller waits. For steps within one piece of work. */
export async function yieldIfNeeded(): Promise<void> {
  began ??= begin();
  if (isAdmitting || performance.now() - began > SLICE) await yieldToEventLoop();
}

/** Admits callers one after the other, so that the time that each one takes is measured. */
function admit(): void {
  isAdmitting = waiting.length > 0;
  if (!isAdmitting) return;
  began ??= begin();
  if (performance.now() - began > SLICE) {
    setImmediate(admit);
    return;
  }
  waiting.shift()?.();
  let left = STEPS;
  const step = () => {
    if (left-- > 0) void settled.then(step);
    else admit();
  };
  step();
}

function begin(): number {
  setImmediate(() => {
    began = undefined;
  });
  return performance.now();
}
