import type { Position } from '../store/journal.js';

const ID = /^(\d{1,8})-(\d{1,15})$/;
/** Returns the id of an event: its position in the journal. */
export const idOf = ({ segment, offset }: Position) => `${segment}-${offset}`;

/** True if a text has the form of the id of an event. */
export const isEventId = (text: string): boolean => ID.test(text);

/** Returns the position of an event in the journal. @param id for which `isEventId` is true */
export function positionOf(id: string): Position {
  const [, segment, offset] = ID.exec(id) ?? [];
  return { segment: Number(segment), offset: Number(offset) };
}
