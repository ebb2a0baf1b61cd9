/** For how long work may go on before the event loop gets its turn, in milliseconds. */
const SLICE = 0.25;
/** Steps of promises that a piece of work takes before it has done most of what it does at once. */
const STEPS = 4;

/** When work began in this turn of the event loop. */
let began: number | undefined;
const waiting: (() => void)[] = [];
let isAdmitting = false;
/** What follows this is the next step. Awaited in an async function, each step would leave three times as much garbage. */
const settled = Promise.resolve();

/**
 * Resolves at once, or in a later turn of the event loop if this one has been worked in for long enough: a thousand
 * calls at once are a thousand pieces of work, and what else the process has to do is done between them. In order.
 */
export function takeTurn(): Promise<void> {
  const turn = new Promise<void>((resolve) => waiting.push(resolve));
  if (!isAdmitting) admit();
  return turn;
}

/** As `takeTurn`, but at once where nobody waits: for steps within a piece of work. */
export async function giveWay(): Promise<void> {
  began ??= begin();
  if (isAdmitting || performance.now() - began > SLICE) await takeTurn();
}

/** One after the other, so that the work of those who come first is seen. */
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
