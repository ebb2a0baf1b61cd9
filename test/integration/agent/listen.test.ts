import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chown, lstat, mkdir, mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { createServer, request, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { bind, parseListen } from '../../../src/agent/listen.js';
import { run } from '../../../src/cli/program.js';
import { ConflictError, ValidationError } from '../../../src/errors.js';
import { privileged } from '../../support/namespaces.js';
import { rejection } from '../../support/rejection.js';

let folder: string;
let servers: Server[];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vethwork-listen-'));
  servers = [];
});
afterEach(async () => {
  for (const server of servers) server.close();
  await rm(folder, { recursive: true });
});

const place = () => join(folder, 'agent.sock');

async function listen(at: string): Promise<Server> {
  const server = createServer((_, response) => response.end('hello'));
  await bind(server, at);
  servers.push(server);
  return server;
}

function ask(socketPath: string): Promise<string> {
  return new Promise((resolve, reject) => {
    request({ socketPath }, (response) => response.setEncoding('utf8').on('data', resolve))
      .on('error', reject)
      .end();
  });
}

/** As a process that was killed leaves it. */
async function leaveStale(path: string): Promise<void> {
  const script = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.stdout.write('x'))`;
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  child.kill('SIGKILL');
  await once(child, 'exit');
}

describe('invalid listen addresses', () => {
  test.each([
    ...['nonsense', '', '9471', ':9471', '127.0.0.1', '127.0.0.1:', '127.0.0.1:0', '127.0.0.1:65536', '127.0.0.1:x'],
    ...['::1:9471', '[::1]', '[127.0.0.1]:9471', '256.0.0.1:9471', '1.2.3:9471', 'a b:9471', 'http://127.0.0.1:9471'],
    ...['agent.sock', './agent.sock', '/run/', `/${'x'.repeat(107)}`, '/run/a\0b', 9471, null, {}],
  ])('%j', async (value) => {
    expect(() => parseListen(value)).toThrow(ValidationError);
    const file = join(folder, 'agent.json');
    await writeFile(file, JSON.stringify({ store: { etcd: ['http://127.0.0.1:1'] }, node: 'a', listen: value }));
    let output = '';
    const stream = { write: (text: string) => (output += text) };
    expect(await run(['--json', 'agent', '--config', file], { stdout: stream, stderr: stream })).toBe(2);
    expect(JSON.parse(output)).toMatchObject({ error: { code: 'ERR_VETHWORK_VALIDATION', field: 'listen' } });
  });

  test.each<[string, object]>([
    ['127.0.0.1:9471', { host: '127.0.0.1', port: 9471 }],
    ['[::1]:9471', { host: '::1', port: 9471 }],
    ['localhost:1', { host: 'localhost', port: 1 }],
    [`/${'x'.repeat(106)}`, { path: `/${'x'.repeat(106)}` }],
  ])('%s is valid', (value, expected) => {
    expect(parseListen(value)).toEqual(expected);
  });
});

describe('a socket in the file system', () => {
  test('is accessible only to its user, and is replaced when no process listens any more', async () => {
    await listen(place());
    expect((await stat(place())).mode & 0o777).toBe(0o600);
    expect(await rejection(listen(place()))).toBeInstanceOf(ConflictError);
    for (const server of servers.splice(0)) await new Promise((resolve) => server.close(resolve));
    await leaveStale(place());
    expect((await lstat(place())).isSocket()).toBe(true);
    await listen(place());
    expect(await ask(place())).toBe('hello');
  });

  test.each<[what: string, make: (path: string) => Promise<unknown>]>([
    ['a file', (path) => writeFile(path, 'precious')],
    ['an empty file', (path) => writeFile(path, '')],
    ['a folder', (path) => mkdir(path)],
    [
      'a link to a file',
      async (path) => {
        await writeFile(`${path}-file`, 'precious');
        await symlink(`${path}-file`, path);
      },
    ],
    [
      'a link to a stale socket',
      async (path) => {
        await leaveStale(`${path}-socket`);
        await symlink(`${path}-socket`, path);
      },
    ],
    ['a link to nothing', (path) => symlink('/nowhere', path)],
  ])('replaces no other file: %s', async (_what, make) => {
    await make(place());
    const before = await lstat(place());
    expect(await rejection(listen(place()))).toBeInstanceOf(ConflictError);
    const after = await lstat(place());
    expect([after.ino, after.size, after.mtimeMs]).toEqual([before.ino, before.size, before.mtimeMs]);
  });

  test.skipIf(!privileged)('does not replace the socket of another user', async () => {
    await leaveStale(place());
    await chown(place(), 65534, 65534);
    expect(await rejection(listen(place()))).toBeInstanceOf(ConflictError);
    expect((await lstat(place())).uid).toBe(65534);
  });

  test('is rejected without a folder, or with a file in place of the folder', async () => {
    expect(await rejection(listen(join(folder, 'none', 'agent.sock')))).toMatchObject({ field: 'listen' });
    await writeFile(join(folder, 'file'), 'precious');
    expect(await rejection(listen(join(folder, 'file', 'agent.sock')))).toMatchObject({ field: 'listen' });
    expect(await readFile(join(folder, 'file'), 'utf8')).toBe('precious');
  });
});

test('an error names a port in use, and an address that is not local', async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  servers.push(server);
  const { port } = server.address() as { port: number };
  expect(await rejection(listen(`127.0.0.1:${port}`))).toBeInstanceOf(ConflictError);
  expect(await rejection(listen('203.0.113.1:9471'))).toMatchObject({
    code: 'ERR_VETHWORK_VALIDATION',
    field: 'listen',
  });
});
