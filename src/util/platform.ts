import { existsSync, readdirSync } from 'node:fs';
import { PlatformError } from '../errors.js';

/** Platforms with a prebuilt addon; scripts/lib/targets.mjs builds them. */
const PREBUILT = 'linux-x64 and linux-arm64 with glibc 2.28 or later';

/** The C library of this process, such as `glibc 2.36`. */
function cLibrary(): string {
  const report: (NodeJS.ProcessReport & { excludeNetwork?: boolean }) | undefined = process.report;
  // Not every engine has process reports.
  if (report?.excludeNetwork === undefined) return hasMusl() ? 'musl' : 'an unknown C library';
  const before = report.excludeNetwork;
  // Otherwise the report resolves the names of all peers of connections.
  report.excludeNetwork = true;
  const { header } = report.getReport() as { header?: { glibcVersionRuntime?: string } };
  report.excludeNetwork = before;
  return header?.glibcVersionRuntime ? `glibc ${header.glibcVersionRuntime}` : 'musl';
}

function hasMusl(): boolean {
  return existsSync('/lib') && readdirSync('/lib').some((name) => name.startsWith('ld-musl-'));
}

function engine(): string {
  const { bun, deno, node } = process.versions;
  return bun ? `Bun ${bun}` : deno ? `Deno ${deno}` : `Node.js ${node}`;
}

/** Describes this platform as it matters to compiled code: `linux-x64 with glibc 2.36 and Node.js 22.23.3`. */
export function describePlatform(): string {
  return `${process.platform}-${process.arch} with ${cLibrary()} and ${engine()}`;
}

/** The reason of a failed `require`: dlopen's message, or that there is no binary. */
function reasonOf(error: unknown): string {
  const [line = ''] = (error instanceof Error ? error.message : String(error)).split('\n');
  return line.startsWith('No native build was found') ? 'there is no binary for it' : line;
}

/** Error for an addon that does not load. */
export function addonError(cause: unknown): PlatformError {
  return new PlatformError(
    `the addon of vethwork does not load on ${describePlatform()} (${reasonOf(cause)}): the package has binaries for ${PREBUILT}; ` +
      'on other platforms, `npm rebuild vethwork` builds the addon with a C++20 compiler (g++ 12 or later), make and Python 3',
    { cause },
  );
}

/** Error for an embedded store that does not load. */
export function lmdbError(cause: unknown): PlatformError {
  return new PlatformError(
    `the package lmdb, the store of a lone host, does not load on ${describePlatform()} (${reasonOf(cause)}): it has binaries ` +
      'for linux-x64 and linux-arm64 with glibc 2.34 or later; on other platforms, `npm rebuild lmdb` builds it with a C++ ' +
      'compiler, make and Python 3',
    { cause },
  );
}
