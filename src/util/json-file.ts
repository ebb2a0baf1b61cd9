import { constants } from 'node:fs';
import { open } from 'node:fs/promises';

/** A syntax error in JSON. The message has the position, but no content of the file, which may be secret. */
export class JsonSyntaxError extends Error {}

/** Parses JSON. @throws JsonSyntaxError */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    // V8's message quotes the text.
    const position = /at position (\d+)/.exec((error as Error).message)?.[1];
    throw new JsonSyntaxError(position === undefined ? 'not JSON' : `not JSON, at byte ${position}`);
  }
}

/** Reads a file. `isOpen`: group or others may read it. */
export async function readWithMode(path: string): Promise<{ text: string; isOpen: boolean; mode: string }> {
  // O_NONBLOCK: opening a FIFO without writer would block.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const { mode } = await file.stat();
    const text = await file.readFile('utf8');
    return { text, isOpen: (mode & 0o044) !== 0, mode: (mode & 0o777).toString(8).padStart(4, '0') };
  } finally {
    await file.close();
  }
}
