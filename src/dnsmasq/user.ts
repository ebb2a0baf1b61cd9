import { statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';

/** The account that dnsmasq runs as after it has opened its sockets. */
export interface Account {
  user: string;
  /** Empty: dnsmasq keeps the groups of this process. */
  group: string;
  /** The account that must be able to read the files. Undefined if dnsmasq runs as the user of this process. */
  reader: Reader | undefined;
}

export interface Reader {
  user: string;
  uid: number;
  /** The group that dnsmasq changes to. */
  mainGid: number;
  /** The account's group, if no other account is a member. */
  gid: number | undefined;
}

/** Without an account `dnsmasq`, `nobody` is used, as other programs do. */
const DEDICATED = 'dnsmasq';
const SHARED = 'nobody';
const NOBODY: Account = {
  user: SHARED,
  group: 'nogroup',
  reader: { user: SHARED, uid: 65534, mainGid: 65534, gid: undefined },
};
/** Group id of `nogroup` or `nobody`. */
const NO_GROUP = 65534;

/** The root of a user namespace, who is an unprivileged user of the machine. */
const MAPPED_ROOT: Account = { user: 'root', group: '', reader: undefined };

/**
 * Finds the account: `dnsmasq` if it exists, otherwise `nobody`, with its own group. If this process is not root,
 * dnsmasq keeps the user of this process; it only requires the name of an existing account. In a user namespace without
 * the ids of the account, dnsmasq keeps the user and the groups of this process.
 */
export async function findAccount(folder = '/etc'): Promise<Account> {
  const version = versionOf(folder);
  if (found?.version !== version) found = { version, account: await readAccount(folder) };
  return found.account;
}

/** The account that was found last, and the version of the files then. */
let found: { version: string; account: Account } | undefined;

/** A text that changes when the files of accounts change, or the user of this process. */
function versionOf(folder: string): string {
  const versions = ['passwd', 'group'].map((name) => {
    try {
      const { ino, size, mtimeMs, ctimeMs } = statSync(`${folder}/${name}`);
      return [ino, size, mtimeMs, ctimeMs];
    } catch {
      // There is none, or the folder is not one. Who reads the file reports it.
      return [];
    }
  });
  return JSON.stringify([folder, process.geteuid?.(), versions]);
}

async function readAccount(folder: string): Promise<Account> {
  const account = await findUnprivileged(folder);
  if (process.geteuid?.() !== 0) return { ...account, reader: undefined };
  const { reader } = account;
  return reader === undefined || (await mayBecome(reader)) ? account : MAPPED_ROOT;
}

/** True if a process of this user namespace can have the ids of an account (user_namespaces(7)). */
async function mayBecome({ uid, mainGid }: Reader): Promise<boolean> {
  const [users, groups, setgroups] = await Promise.all(
    ['uid_map', 'gid_map', 'setgroups'].map((file) => readFile(`/proc/self/${file}`, 'utf8').catch(() => undefined)),
  );
  // A kernel without user namespaces has none of these files.
  return setgroups?.trim() !== 'deny' && isMapped(users, uid) && isMapped(groups, mainGid);
}

/** @param map lines of `first id here, first id outside, count` */
function isMapped(map: string | undefined, id: number): boolean {
  if (map === undefined) return true;
  const ranges = map
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number));
  return ranges.some(([first = 0, , count = 0]) => id >= first && id < first + count);
}

/** Describes a problem of the account. Undefined if there is none. */
export async function accountProblem(folder = '/etc'): Promise<string | undefined> {
  const { user, reader } = await findAccount(folder);
  if (reader === undefined || user !== SHARED) return undefined;
  return 'dnsmasq runs as user nobody: other programs of this user may kill it and read its files';
}

async function findUnprivileged(folder: string): Promise<Account> {
  const [users, groups] = await Promise.all([table(`${folder}/passwd`), table(`${folder}/group`)]);
  for (const user of [DEDICATED, SHARED]) {
    const [, , uid, gid] = users.find(([name]) => name === user) ?? [];
    const group = groups.find((fields) => fields[2] === gid);
    if (uid === undefined || gid === undefined || group?.[0] === undefined) continue;
    const others = users.filter((fields) => fields[3] === gid && fields[0] !== user).length;
    const members = (group[3] ?? '').split(',').filter((member) => member !== '' && member !== user).length;
    const isOwn = others + members === 0 && Number(gid) !== NO_GROUP && Number(gid) !== 0;
    const ids = { uid: Number(uid), mainGid: Number(gid), gid: isOwn ? Number(gid) : undefined };
    return { user, group: group[0], reader: { user, ...ids } };
  }
  return NOBODY;
}

async function table(file: string): Promise<string[][]> {
  const text = await readFile(file, 'utf8').catch(() => '');
  return text.split('\n').map((line) => line.split(':'));
}
