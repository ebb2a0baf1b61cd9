import type { HostEvent } from '../api/observation.js';
import { describeOperation } from '../kernel/describe.js';
import type { Operation } from '../kernel/operation.js';
import { LOOPBACK_INDEX } from '../plan/namespace.js';

/** What is to be done, in words, and doing it. */
export interface Repair {
  text: string;
  /** UUID of the interface that it is about, where it is about one. */
  interface?: string;
  /** As which event it is noted. Default `repair`. */
  event?: HostEvent['event'];
  carryOut: () => Promise<unknown>;
}

/** Does a repair, and notes that. */
export type Note = (repair: Repair) => Promise<unknown>;

/** Does repairs one after the other, or not without `note`; what they were, in words. What failed says so. */
export async function carryOut(repairs: readonly Repair[], note: Note | undefined): Promise<string[]> {
  const told: string[] = [];
  for (const repair of repairs) told.push(note === undefined ? repair.text : await outcome(repair, note));
  return told;
}

async function outcome(repair: Repair, note: Note): Promise<string> {
  const { text } = repair;
  try {
    await note(repair);
    return text;
  } catch (error) {
    return `${text}${FAILED}${(error as Error).message}`;
  }
}

const FAILED = ': failed: ';

/** Whether what is told is of a repair that failed. */
export const hasFailed = (told: string): boolean => told.includes(FAILED);

/** Operations in words, with the names that the plan gives to links instead of their indexes. */
export function describeOperations(operations: readonly Operation[], plan: readonly Operation[]): string {
  const links = [{ index: LOOPBACK_INDEX, name: 'lo' }, ...plan.flatMap(linksOf)];
  const names = new Map(links.map(({ index, name }) => [String(index), name ?? '']));
  const text = operations.map(describeOperation).join(', ');
  return text.replace(/\blink (\d+)/g, (link, index) => names.get(index) ?? link);
}

function linksOf(operation: Operation): { index?: number; name?: string }[] {
  if (operation.op === 'tap.add') return [operation.tap];
  if (operation.op !== 'link.add') return [];
  return operation.link.kind === 'veth' ? [operation.link, operation.link.data.peer] : [operation.link];
}
