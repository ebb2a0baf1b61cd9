import { readFile } from 'node:fs/promises';

/** The account that dnsmasq runs as after it has opened its sockets. */
export interface Account {
  user: string;
  group: string;
  /** The account that must be able to read the files. Undefined if dnsmasq runs as the user of this process. */
  reader: Reader | undefined;
}

export interface Reader {
  user: string;
  uid: number;
  /** The account's group, if no other account is a member. */
  gid: number | undefined;
}

/** Without an account `dnsmasq`, `nobody` is used, as other programs do. */
const DEDICATED = 'dnsmasq';
const SHARED = 'nobody';
const NOBODY: Account = {
  user: SHARED,
  group: 'nogroup',
  reader: { user: SHARED, uid: 65534, gid: undefined },
};
/** Group id of `nogroup` or `nobody`. */
const NO_GROUP = 65534;

/**
 * Finds the account: `dnsmasq` if it exists, otherwise `nobody`, with its own group. If this process is not root,
 * dnsmasq keeps the user of this process; it only requires the name of an existing account.
 */
export async function findAccount(folder = '/etc'): Promise<Account> {
  const account = await findUnprivileged(folder);
  return process.geteuid?.() === 0 ? account : { ...account, reader: undefined };
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
    return { user, group: group[0], reader: { user, uid: Number(uid), gid: isOwn ? Number(gid) : undefined } };
  }
  return NOBODY;
}

async function table(file: string): Promise<string[][]> {
  const text = await readFile(file, 'utf8').catch(() => '');
  return text.split('\n').map((line) => line.split(':'));
}
