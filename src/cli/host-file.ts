import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { HostFile } from './parse-host-file.js';

export function hostFilePath(state: string): string {
  return join(state, 'host.json');
}

/** Reads the file. Empty if it does not exist. */
export async function readHostFile(state: string): Promise<Partial<HostFile>> {
  const path = hostFilePath(state);
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      return {};
    }
    throw error;
  }
  // Loaded late: most state folders have no such file, and the schemas take long to load.
  const { parseHostFile } = await import('./parse-host-file.js');
  return parseHostFile(text, path);
}

export async function removeHostFile(state: string): Promise<void> {
  await rm(hostFilePath(state), { force: true });
}
