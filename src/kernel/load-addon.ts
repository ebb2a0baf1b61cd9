import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { addonError } from '../util/platform.js';

interface Load {
  (folder: string): unknown;
  path(folder: string): string;
}

const load = createRequire(import.meta.url)('node-gyp-build') as Load;
const root = fileURLToPath(new URL('../..', import.meta.url));

/**
 * Loads the addon: what was built in this package's folder, or else what came with it.
 * @throws PlatformError if there is none for this system, or it does not load
 */
export function loadAddon(): unknown {
  try {
    return load(root);
  } catch (error) {
    throw addonError(error);
  }
}

/** Where the addon is that `loadAddon` loads, and programs beside it that were built with it. */
export function addonFolder(): string {
  return dirname(load.path(root));
}
