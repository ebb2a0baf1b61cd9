import { readFile } from 'node:fs/promises';

/** The account dnsmasq runs as once it has opened its sockets. */
export interface Account {
  user: string;
  group: string;
  gid: number;
}

const CANDIDATES = ['dnsmasq', 'nobody'];
const NOBODY: Account = { user: 'nobody', group: 'nogroup', gid: 65534 };

/**
 * `dnsmasq` where it exists, else `nobody`; the group is the account's own. Where we are not root, dnsmasq stays the user
 * that we are: it only wants to be told one that exists.
 */
export async function findAccount(): Promise<Account> {
  const account = await findUnprivileged();
  return process.geteuid?.() === 0 ? account : { ...account, gid: process.getegid?.() ?? account.gid };
}

async function findUnprivileged(): Promise<Account> {
  const [users, groups] = await Promise.all([table('/etc/passwd'), table('/etc/group')]);
  for (const user of CANDIDATES) {
    const gid = users.find(([name]) => name === user)?.[3];
    const group = groups.find((fields) => fields[2] === gid)?.[0];
    if (gid !== undefined && group !== undefined) return { user, group, gid: Number(gid) };
  }
  return NOBODY;
}

async function table(file: string): Promise<string[][]> {
  const text = await readFile(file, 'utf8').catch(() => '');
  return text.split('\n').map((line) => line.split(':'));
}
