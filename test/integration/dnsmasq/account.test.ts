import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { accountProblem, findAccount } from '../../../src/dnsmasq/index.js';
import { privileged } from '../../support/namespaces.js';

const NOBODY = ['nobody:x:65534:65534::/:/bin/false', 'nogroup:x:65534:'] as const;

/** @param gid of the reader: undefined if its group is not its own */
test
  .skipIf(!privileged)
  .each<[what: string, passwd: string[], group: string[], user: string, gid: number | undefined, isShared: boolean]>([
    ['none', [], [], 'nobody', undefined, true],
    ['nobody alone', [NOBODY[0]], [NOBODY[1]], 'nobody', undefined, true],
    ['dnsmasq in nogroup', [NOBODY[0], 'dnsmasq:x:999:65534::/:'], [NOBODY[1]], 'dnsmasq', undefined, false],
    ['dnsmasq with its own group', ['dnsmasq:x:999:998::/:'], ['dnsmasq:x:998:'], 'dnsmasq', 998, false],
    ['dnsmasq with itself as member', ['dnsmasq:x:999:998::/:'], ['dnsmasq:x:998:dnsmasq'], 'dnsmasq', 998, false],
    ['a group with a member', ['dnsmasq:x:999:998::/:'], ['dnsmasq:x:998:eve'], 'dnsmasq', undefined, false],
    ['another account’s group', ['dnsmasq:x:9:8::/:', 'eve:x:7:8::/:'], ['d:x:8:'], 'dnsmasq', undefined, false],
    ['root’s group', ['dnsmasq:x:999:0::/:'], ['root:x:0:'], 'dnsmasq', undefined, false],
  ])('the account of dnsmasq is chosen from: %s', async (_what, passwd, group, user, gid, isShared) => {
  const folder = await mkdtemp(join(tmpdir(), 'vethwork-account-'));
  await writeFile(join(folder, 'passwd'), `${passwd.join('\n')}\n`);
  await writeFile(join(folder, 'group'), `${group.join('\n')}\n`);
  const account = await findAccount(folder);
  expect(account).toMatchObject({ user, reader: { user } });
  expect(account.reader?.gid).toBe(gid);
  expect((await accountProblem(folder)) !== undefined).toBe(isShared);
  await rm(folder, { recursive: true });
});

test.skipIf(!privileged)('the account of dnsmasq is chosen again when the files of accounts change', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'vethwork-account-'));
  await writeFile(join(folder, 'passwd'), `${NOBODY[0]}\n`);
  await writeFile(join(folder, 'group'), `${NOBODY[1]}\n`);
  expect(await findAccount(folder)).toMatchObject({ user: 'nobody' });
  await writeFile(join(folder, 'passwd'), `${NOBODY[0]}\ndnsmasq:x:999:998::/:\n`);
  await writeFile(join(folder, 'group'), `${NOBODY[1]}\ndnsmasq:x:998:\n`);
  expect(await findAccount(folder)).toMatchObject({ user: 'dnsmasq', reader: { gid: 998 } });
  await writeFile(join(folder, 'group'), `${NOBODY[1]}\ndnsmasq:x:998:eve\n`);
  expect((await findAccount(folder)).reader?.gid).toBeUndefined();
  await rm(folder, { recursive: true });
});
