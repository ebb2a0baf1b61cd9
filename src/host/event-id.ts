import type { Position } from '../store/journal.js';

const ID = /^(\d{1,8})-(\d{1,15})$/;
/** Names an event by its place in the journal. */
export const idOf = ({ segment, offset }: Position) => `${segment}-${offset}`;

/** Whether a text is the id of an event. */
export const isEventId = (text: string): boolean => ID.test(text);

export function positionOf(id: string): Position {
  const [, segment, offset] = ID.exec(id) ?? [];
  return { segment: Number(segment), offset: Number(offset) };
}
