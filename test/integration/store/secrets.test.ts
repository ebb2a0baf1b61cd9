import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { readAgentConfig } from '../../../src/agent/config.js';
import { run } from '../../../src/cli/program.js';
import { migrate } from '../../../src/cluster/migrate.js';
import { openHost } from '../../../src/index.js';
import { openEtcdClient } from '../../../src/store/etcd/client.js';
import { parseEtcdOptions } from '../../../src/store/etcd/options.js';
import { sh } from '../../support/namespaces.js';
import { rejection } from '../../support/rejection.js';

const SECRET = 'hunter2-4711';
const NUMBER = 47_114_711;
const PEM = `-----BEGIN PRIVATE KEY-----\n${SECRET}\n-----END PRIVATE KEY-----`;
const etcd = ['http://10.0.0.5:2379'];
const secure = ['https://10.0.0.5:2379'];

/** Everything that a program could show of an error. */
const told = (error: unknown) => [String(error), JSON.stringify(error), inspect(error, { depth: 9 })].join('\n');
const isSilent = (text: string) =>
  !text.includes(SECRET) && !text.includes(String(NUMBER)) && !/hunter2|4711/.test(text);

/** Stores that are refused, and the field that is wrong; each has a secret in it. */
const wrong: [what: string, field: string, store: unknown][] = [
  ['a numeric password', 'store.password', { etcd, username: 'net', password: NUMBER }],
  ['a list as password', 'store.password', { etcd, username: 'net', password: [SECRET] }],
  ['an object as password', 'store.password', { etcd, username: 'net', password: { value: SECRET } }],
  ['an empty password', 'store.password', { etcd, username: SECRET, password: '' }],
  ['a numeric username', 'store.username', { etcd, username: NUMBER, password: SECRET }],
  ['a username without password', 'store.password', { etcd, username: SECRET }],
  ['a password without username', 'store.username', { etcd, password: SECRET }],
  ['a user and password in a URL', 'store.etcd[0]', { etcd: [`http://user:${SECRET}@10.0.0.5:2379`] }],
  ['a user in a URL', 'store.etcd[1]', { etcd: [...etcd, `http://${SECRET}@10.0.0.5:2379`] }],
  ['a password with an @ in a URL', 'store.etcd[0]', { etcd: [`https://u:${SECRET}@x@10.0.0.5:2379`] }],
  ['a URL with user and no scheme', 'store.etcd[0]', { etcd: [`u:${SECRET}@10.0.0.5:2379`] }],
  ['a URL with user and a path', 'store.etcd[0]', { etcd: [`http://u:${SECRET}@10.0.0.5:2379/x`] }],
  ['a URL that is no list', 'store.etcd', { etcd: `http://u:${SECRET}@10.0.0.5:2379` }],
  ['an object as URL', 'store.etcd[0]', { etcd: [{ url: `http://u:${SECRET}@10.0.0.5` }] }],
  ['a store that is a URL', 'store', `http://u:${SECRET}@10.0.0.5:2379`],
  ['a store that is a list', 'store', [{ password: SECRET }]],
  ['TLS that is a text', 'store.tls', { etcd: secure, tls: PEM }],
  ['the text of a key for its file', 'store.tls.key', { etcd: secure, tls: { cert: '/c', key: PEM } }],
  ['a list as key', 'store.tls.key', { etcd: secure, tls: { cert: '/c', key: [SECRET] } }],
];

/** Stores that are refused because something lacks, or contradicts. */
const incomplete: [what: string, field: string, store: unknown][] = [
  ['a certificate without key', 'store.tls.key', { etcd: secure, tls: { ca: '/ca', cert: '/c' } }],
  ['a key without certificate', 'store.tls.cert', { etcd: secure, tls: { key: '/k' } }],
  ['TLS with nothing in it', 'store.tls', { etcd: secure, tls: {} }],
  ['TLS for a plain URL', 'store.etcd[0]', { etcd, tls: { ca: '/ca' } }],
  ['TLS for one plain URL of two', 'store.etcd[1]', { etcd: [...secure, ...etcd], tls: { ca: '/ca' } }],
  ['URLs with and without TLS', 'store.etcd[0]', { etcd: [...etcd, ...secure] }],
  ['a URL with a path', 'store.etcd[0]', { etcd: ['http://10.0.0.5:2379/v3'] }],
  ['a URL with a query', 'store.etcd[0]', { etcd: ['http://10.0.0.5:2379?a=b'] }],
  ['a URL with an impossible port', 'store.etcd[0]', { etcd: ['http://10.0.0.5:99999'] }],
  ['a URL without host', 'store.etcd[0]', { etcd: ['http://:2379'] }],
  ['a URL of another scheme', 'store.etcd[0]', { etcd: ['etcd://10.0.0.5:2379'] }],
];

/** Runs a command line that needs no host. */
async function vethwork(...argv: string[]) {
  let output = '';
  const stream = { write: (text: string) => (output += text) };
  const code = await run(argv, { stdout: stream, stderr: stream });
  return { code, output };
}

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vethwork-secrets-'));
});
afterEach(() => rm(folder, { recursive: true }));

const write = async (name: string, content: unknown, mode = 0o600) => {
  const file = join(folder, name);
  await writeFile(file, typeof content === 'string' ? content : JSON.stringify(content));
  await chmod(file, mode);
  return file;
};

describe('a store is rejected without a secret in the error', () => {
  test.each([...wrong, ...incomplete])('%s', async (_what, field, store) => {
    const file = await write('agent.json', { store, node: 'node1' });
    const errors = [
      await rejection(openHost({ store, node: 'node1' } as never)),
      await rejection(readAgentConfig(file)),
      await rejection(migrate({ stateDir: folder, store, node: 'node1' } as never)),
    ];
    for (const error of errors) {
      expect(error).toMatchObject({ code: 'ERR_VETHWORK_VALIDATION', field });
      expect(isSilent(told(error)), told(error)).toBe(true);
    }
    for (const argv of [
      ['--cluster', file, 'status'],
      ['agent', '--config', file],
    ]) {
      for (const json of [[], ['--json']]) {
        const { code, output } = await vethwork(...json, ...argv);
        expect(code).toBe(2);
        expect(output).toContain(field);
        expect(isSilent(output), output).toBe(true);
      }
    }
  });

  test('valid stores are accepted', () => {
    for (const store of [
      { etcd },
      { etcd: secure },
      { etcd: secure, tls: { ca: '/ca' } },
      { etcd: secure, tls: { cert: '/c', key: '/k' }, username: 'net', password: SECRET },
      { etcd: ['http://[fd00::5]:2379', 'http://etcd.internal:2379'] },
    ]) {
      expect(parseEtcdOptions(store)).toEqual(store);
    }
  });
});

test.each([
  ['a number', '{"store":{"password":%s}'],
  ['a word', `{"store":{"password":${SECRET}}}`],
  ['a text in single quotes', `{"store":{"password":'${SECRET}'}}`],
  ['nothing but the secret', SECRET],
  ['a list', `["${SECRET}"]`],
  ['a text', `"${SECRET}"`],
])('an error about a file without a JSON object has no secret: %s', async (_what, text) => {
  const file = await write('agent.json', text.replace('%s', String(NUMBER)));
  const error = await rejection(readAgentConfig(file));
  expect(error).toMatchObject({ code: 'ERR_VETHWORK_VALIDATION', field: 'config' });
  expect(isSilent(told(error)), told(error)).toBe(true);
  await write('host.json', text);
  const { code, output } = await vethwork('--json', '--state-dir', folder, 'status');
  expect(code).toBe(2);
  expect(isSilent(output), output).toBe(true);
});

describe('a command line with a secret, or without a password, is rejected', () => {
  test.each([
    [['migrate', '--node', 'a', '--to', `etcd://u:${SECRET}@10.0.0.5:2379`], 'VETHWORK_ETCD_PASSWORD'],
    [['migrate', '--node', 'a', '--to', `u:${SECRET}@10.0.0.5:2379`], '--username'],
    [['migrate', '--node', 'a', '--to', 'etcd://10.0.0.5:2379', `--password=${SECRET}`], '--password'],
    [['migrate', '--node', 'a', '--to', 'etcd://10.0.0.5:2379', '--username', 'net'], 'VETHWORK_ETCD_PASSWORD'],
  ])('%j', async (argv, hint) => {
    for (const json of [[], ['--json']]) {
      const { code, output } = await vethwork(...json, '--state-dir', folder, ...argv);
      expect(code).toBe(2);
      expect(output).toContain(hint);
      expect(isSilent(output), output).toBe(true);
    }
  });
});

describe('a file that others can read', () => {
  const config = { store: { etcd, username: 'net', password: SECRET }, node: 'node1' };

  test.each([
    [0o600, 0],
    [0o400, 0],
    [0o640, 1],
    [0o604, 1],
    [0o644, 1],
  ])('of mode %o, with a password: %i warnings', async (mode, count) => {
    const { warnings } = await readAgentConfig(await write('agent.json', config, mode));
    expect(warnings).toHaveLength(count);
    expect(warnings.every((warning) => warning.includes('agent.json') && isSilent(warning))).toBe(true);
  });

  test('gives no warning without a password, unless it is a key', async () => {
    const plain = await write('agent.json', { ...config, store: { etcd } }, 0o644);
    expect((await readAgentConfig(plain)).warnings).toEqual([]);
    const key = await write('node.key', PEM, 0o644);
    const withKey = { ...config, store: { etcd: secure, tls: { cert: '/c', key } } };
    const { warnings } = await readAgentConfig(await write('agent.json', withKey, 0o644));
    expect(warnings).toEqual([expect.stringContaining(key)]);
  });

  test('gives a warning on standard error', async () => {
    const file = await write('agent.json', { ...config, meshNic: 'none0', netns: 'vwt-none' }, 0o644);
    const { output } = await vethwork('--cluster', file, 'status');
    expect(output).toContain(`warning: ${file} holds a password`);
    expect(isSilent(output), output).toBe(true);
  });
});

describe('invalid TLS files', () => {
  test.each([
    ['an authority that is none', 'store.tls.ca', { ca: 'junk' }],
    ['a certificate that is none', 'store.tls.cert', { cert: 'junk', key: 'one.key' }],
    ['a key that is none', 'store.tls.key', { cert: 'one.crt', key: 'junk' }],
    ['the key of another certificate', 'store.tls.key', { cert: 'one.crt', key: 'two.key' }],
    ['a file that is not there', 'store.tls.key', { cert: 'one.crt', key: 'none' }],
  ])('%s', async (_what, field, names) => {
    await write('junk', SECRET);
    for (const name of ['one', 'two']) {
      const out = ['-keyout', join(folder, `${name}.key`), '-out', join(folder, `${name}.crt`)];
      const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
      await sh('openssl', 'req', '-x509', ...key, ...out, '-subj', '/CN=test');
    }
    const tls = Object.fromEntries(Object.entries(names).map(([part, name]) => [part, join(folder, name)]));
    const error = await rejection(openEtcdClient({ etcd: secure, tls }));
    expect(error).toMatchObject({ code: 'ERR_VETHWORK_VALIDATION', field });
    expect(isSilent(told(error)), told(error)).toBe(true);
    const fitting = { cert: join(folder, 'one.crt'), key: join(folder, 'one.key') };
    (await openEtcdClient({ etcd: secure, tls: fitting })).client.close();
  });
});
