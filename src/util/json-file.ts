import { constants } from 'node:fs';
import { open } from 'node:fs/promises';

/** The JSON of a file is not to be understood. Says where, and nothing of what is there: it may be secret. */
export class JsonSyntaxError extends Error {}

/** @throws JsonSyntaxError */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    // V8 quotes what it has read.
    const position = /at position (\d+)/.exec((error as Error).message)?.[1];
    throw new JsonSyntaxError(position === undefined ? 'not JSON' : `not JSON, at byte ${position}`);
  }
}

/** A file's text, and whether other users than its owner may read it, its group's included. */
export async function readWithMode(path: string): Promise<{ text: string; isOpen: boolean; mode: string }> {
  // A FIFO without a writer would keep us waiting.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const { mode } = await file.stat();
    const text = await file.readFile('utf8');
    return { text, isOpen: (mode & 0o044) !== 0, mode: (mode & 0o777).toString(8).padStart(4, '0') };
  } finally {
    await file.close();
  }
}
