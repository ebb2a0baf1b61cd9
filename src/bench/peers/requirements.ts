import { access, constants } from 'node:fs/promises';
import { join } from 'node:path';
import { attempt, searchPath } from '../../demo/tools.js';

/** Path of a program in the first folder that has it, or undefined. */
export async function findProgram(name: string, folders = searchPath.split(':')): Promise<string | undefined> {
  for (const folder of folders.filter(Boolean)) {
    const path = join(folder, name);
    try {
      await access(path, constants.X_OK);
      return path;
    } catch {
      // Try the next folder.
    }
  }
  return undefined;
}

/** Lists the missing programs with their Debian packages; undefined if none is missing. */
export async function missingPrograms(programs: Readonly<Record<string, string>>): Promise<string | undefined> {
  const missing: string[] = [];
  for (const [program, debianPackage] of Object.entries(programs)) {
    if ((await findProgram(program)) === undefined) missing.push(`${program} (apt-get install ${debianPackage})`);
  }
  return missing.length === 0 ? undefined : `missing: ${missing.join(', ')}`;
}

/** Name and version of an installed Debian package; `unknown` if it is not installed. */
export async function debianVersion(name: string): Promise<string> {
  const found = await attempt(['dpkg-query', '-W', '-f', '$'.concat('{Version}'), name]).catch(() => undefined);
  return found?.code === 0 ? `${name} ${found.stdout.trim()}` : 'unknown';
}
