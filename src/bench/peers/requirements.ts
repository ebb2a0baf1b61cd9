import { access, constants } from 'node:fs/promises';
import { join } from 'node:path';
import { attempt, searchPath } from '../../demo/tools.js';

/** The first of these places that holds a program, or undefined. */
export async function findProgram(name: string, places = searchPath.split(':')): Promise<string | undefined> {
  for (const place of places.filter(Boolean)) {
    const path = join(place, name);
    try {
      await access(path, constants.X_OK);
      return path;
    } catch {
      // Look on.
    }
  }
  return undefined;
}

/** Says which Debian packages lack, given each program and its package. */
export async function missingPrograms(programs: Readonly<Record<string, string>>): Promise<string | undefined> {
  const lacking: string[] = [];
  for (const [program, debianPackage] of Object.entries(programs)) {
    if ((await findProgram(program)) === undefined) lacking.push(`${program} (apt-get install ${debianPackage})`);
  }
  return lacking.length === 0 ? undefined : `missing: ${lacking.join(', ')}`;
}

/** The version of an installed Debian package, where it comes from one. */
export async function debianVersion(name: string): Promise<string> {
  const found = await attempt(['dpkg-query', '-W', '-f', '$'.concat('{Version}'), name]).catch(() => undefined);
  return found?.code === 0 ? `${name} ${found.stdout.trim()}` : 'unknown';
}
