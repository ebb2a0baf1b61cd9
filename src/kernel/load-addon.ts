import { createRequire } from 'node:module';
import { addonError } from '../platform.js';

const load = createRequire(import.meta.url)('node-gyp-build') as (folder: string) => unknown;

/**
 * Loads the addon of a package: what was built in its folder, or else what came with it.
 * @throws PlatformError if there is none for this system, or it does not load
 */
export function loadAddon(folder: string): unknown {
  try {
    return load(folder);
  } catch (error) {
    throw addonError(error);
  }
}
