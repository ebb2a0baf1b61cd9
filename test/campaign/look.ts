import { readdir } from 'node:fs/promises';
import type { NamespaceRef } from '../../src/kernel/namespace.js';
import { json, sh } from '../support/namespaces.js';

/** A namespace by the name that `ip` knows it by, where a plan names it by its identity too. */
export const nameOfNamespace = (netns: NamespaceRef | undefined): string =>
  String(netns).replace(/^id:[^:]+:\/run\/netns\//, '');

/* Looks at namespaces with `ip` and `nft`. Starting programs is what takes the time, so that there are few. */

const QUESTIONS = ['address show', 'route show table all', 'rule show', 'neigh show proxy', 'neigh show nud permanent'];

/** Addresses with their links, routes, rules, proxies and permanent neighbours of a namespace. */
export async function ipBatch(netns: string, ...options: string[]): Promise<unknown[][]> {
  const script = 'printf "%s\\n" "$QUESTIONS" | exec ip "$@" -batch -';
  const asked = ['env', `QUESTIONS=${QUESTIONS.join('\n')}`, 'sh', '-c', script, 'sh'] as const;
  const answers = await sh(...asked, '-j', ...options, '-n', netns);
  return answers
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));
}

/** MACs that are written down on bridges, and at which ports, as `bridge` says. */
export async function fixedPlaces(netns: string): Promise<{ mac: string; ifname: string }[]> {
  const entries = await json<{ mac: string; ifname: string; flags?: string[] }[]>(
    ...(['bridge', '-n', netns, '-j', 'fdb', 'show'] as const),
  );
  return entries.filter(({ flags = [] }) => flags.includes('sticky')).map(({ mac, ifname }) => ({ mac, ifname }));
}

/** What `nft` lists, without what it says of itself. */
export async function nftRuleset(netns: string): Promise<object[]> {
  const list = ['nft', '-j', 'list', 'ruleset'];
  const { nftables } = await json<{ nftables: object[] }>('nsenter', `--net=/run/netns/${netns}`, ...list);
  return nftables.filter((object) => !('metainfo' in object));
}

/** What is in a folder, and below it if that is asked for; nothing if it is not there. */
export async function entriesOf(folder: string, recursive = false): Promise<string[]> {
  try {
    return await readdir(folder, { recursive });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
