import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { addonError } from '../platform.js';

interface Load {
  (folder: string): unknown;
  path(folder: string): string;
}

const load = createRequire(import.meta.url)('node-gyp-build') as Load;
const root = fileURLToPath(new URL('../..', import.meta.url));

/**
 * Loads the addon: the one built in this package's folder, or else the prebuilt one.
 * @throws PlatformError if there is none for this system, or it cannot be loaded
 */
export function loadAddon(): unknown {
  try {
    return load(root);
  } catch (error) {
    throw addonError(error);
  }
}

/** Folder of the addon that `loadAddon` loads. Programs that were built with it are in the same folder. */
export function addonFolder(): string {
  return dirname(load.path(root));
}
