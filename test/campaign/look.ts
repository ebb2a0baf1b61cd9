import { readdir } from 'node:fs/promises';
import type { NamespaceRef } from '../../src/kernel/namespace.js';
import { json, sh } from '../support/namespaces.js';

/** Name of a namespace for `ip`. Plans may also contain its identity. */
export const nameOfNamespace = (netns: NamespaceRef | undefined): string =>
  String(netns).replace(/^id:[^:]+:\/run\/netns\//, '');

/* Reads namespaces with `ip` and `nft`. Few programs are started, because the start takes most of the time. */

const QUESTIONS = ['address show', 'route show table all', 'rule show', 'neigh show proxy', 'neigh show nud permanent'];

/** Addresses, routes, rules, proxy neighbours and permanent neighbours of a namespace. */
export async function ipBatch(netns: string, ...options: string[]): Promise<unknown[][]> {
  const script = 'printf "%s\\n" "$QUESTIONS" | exec ip "$@" -batch -';
  const asked = ['env', `QUESTIONS=${QUESTIONS.join('\n')}`, 'sh', '-c', script, 'sh'] as const;
  const answers = await sh(...asked, '-j', ...options, '-n', netns);
  return answers
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));
}

/** Permanent forwarding entries of bridges, as `bridge` prints them. */
export async function fixedPlaces(netns: string): Promise<{ mac: string; ifname: string }[]> {
  const entries = await json<{ mac: string; ifname: string; flags?: string[] }[]>(
    ...(['bridge', '-n', netns, '-j', 'fdb', 'show'] as const),
  );
  return entries.filter(({ flags = [] }) => flags.includes('sticky')).map(({ mac, ifname }) => ({ mac, ifname }));
}

/** Objects that `nft` lists, without its metainfo. */
export async function nftRuleset(netns: string): Promise<object[]> {
  const list = ['nft', '-j', 'list', 'ruleset'];
  const { nftables } = await json<{ nftables: object[] }>('nsenter', `--net=/run/netns/${netns}`, ...list);
  return nftables.filter((object) => !('metainfo' in object));
}

/** Entries of a folder, optionally recursive; empty if it does not exist. */
export async function entriesOf(folder: string, recursive = false): Promise<string[]> {
  try {
    return await readdir(folder, { recursive });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
