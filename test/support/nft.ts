import { execFile } from 'node:child_process';
import type { NftCommand } from '../../src/kernel/index.js';
import type { NftObject } from '../../src/kernel/query.js';
import { json, type TestNamespace } from './namespaces.js';

/** Loads a ruleset in nft syntax. Rejects with the error of nft if it is refused. */
export async function loadWithNft(namespace: TestNamespace, ruleset: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const done = (error: Error | null) => (error === null ? resolve() : reject(error));
    const nft = execFile('ip', ['netns', 'exec', namespace.name, 'nft', '-f', '-'], done);
    nft.stdin?.end(ruleset);
  });
}

/** The ruleset as nft lists it, without handles and expiry times. */
export async function nftPicture(namespace: TestNamespace): Promise<unknown[]> {
  const { nftables } = await json<{ nftables: object[] }>(
    'ip',
    'netns',
    'exec',
    namespace.name,
    'nft',
    '-j',
    'list',
    'ruleset',
  );
  return nftables.filter((object) => !('metainfo' in object)).map(withoutHandles);
}

function withoutHandles(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutHandles);
  if (typeof value !== 'object' || value === null) return value;
  const kept = Object.entries(value).filter(([key]) => key !== 'handle' && key !== 'expires');
  return Object.fromEntries(kept.map(([key, inner]) => [key, withoutHandles(inner)]));
}

/** The nft commands that create a listed ruleset. */
export function commandsOf(objects: readonly NftObject[]): NftCommand[] {
  const sets = objects.filter(({ object }) => object === 'set');
  return objects.map(({ object, handle: _handle, elementCount: _count, ...rest }) => {
    if (object !== 'element') return { command: `${object}.add`, ...rest } as unknown as NftCommand;
    const { family, table, set, expires: _expires, ...element } = rest;
    const owner = sets.find((one) => one.family === family && one.table === table && one.name === set);
    const { keyType, dataType, interval } = owner as NftObject;
    const elements = [element];
    return {
      command: 'element.add',
      family,
      table,
      set,
      keyType,
      dataType,
      interval,
      elements,
    } as unknown as NftCommand;
  });
}
