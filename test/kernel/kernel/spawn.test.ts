import { once } from 'node:events';
import { readdirSync, readlinkSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NotFoundError, ValidationError } from '../../../src/errors.js';
import { type Kernel, openKernel } from '../../../src/kernel/index.js';
import { attempt, privileged, TestNamespace } from '../../support/namespaces.js';

describe.skipIf(!privileged)('programs and sockets inside a namespace', () => {
  let kernel: Kernel;
  let netns: TestNamespace;

  beforeAll(async () => {
    kernel = openKernel();
    netns = await TestNamespace.create('spawn');
  });

  afterAll(async () => {
    await kernel.close();
    await netns.remove();
  });

  it('starts a program in the namespace, and returns its pid', async () => {
    const child = kernel.spawn('sleep', ['60'], { netns: netns.name, stdio: 'ignore' });
    await once(child, 'spawn');
    await expect.poll(async () => (await netns.ip('netns', 'identify', String(child.pid))).trim()).toBe(netns.name);
    expect((await attempt('cat', `/proc/${child.pid}/comm`)).stdout.trim()).toBe('sleep');
    child.kill('SIGTERM');
    expect(await once(child, 'exit')).toEqual([null, 'SIGTERM']);
  });

  it('supports stdio, exit codes, environment and working folder', async () => {
    const child = kernel.spawn('sh', ['-c', 'cat; echo "$WORD" "$PWD" >&2; exit 7'], {
      netns: netns.path,
      cwd: '/',
      env: { ...process.env, WORD: 'hello' },
    });
    child.stdin?.end('through');
    const [out, error, [code]] = await Promise.all([
      text(child.stdout as NodeJS.ReadableStream),
      text(child.stderr as NodeJS.ReadableStream),
      once(child, 'close'),
    ]);
    expect({ out, error, code }).toEqual({ out: 'through', error: 'hello /\n', code: 7 });
  });

  it('accepts a pid as namespace, and keeps the mounts', async () => {
    const sleeper = kernel.spawn('sleep', ['60'], { netns: netns.name, stdio: 'ignore' });
    await once(sleeper, 'spawn');
    await expect.poll(async () => (await netns.ip('netns', 'identify', String(sleeper.pid))).trim()).toBe(netns.name);
    const child = kernel.spawn('readlink', ['/proc/self/ns/net', '/proc/self/ns/mnt'], {
      netns: sleeper.pid as number,
    });
    const [net, mounts] = (await text(child.stdout as NodeJS.ReadableStream)).split('\n');
    expect(net).toBe(readlinkSync(`/proc/${sleeper.pid}/ns/net`));
    expect(mounts).toBe(readlinkSync('/proc/self/ns/mnt'));
    sleeper.kill('SIGKILL');
    await once(sleeper, 'exit');
  });

  it('rejects a namespace or a program that does not exist, and starts nothing', () => {
    expect(() => kernel.spawn('true', [], { netns: 'no-such-namespace' })).toThrow(ValidationError);
    expect(() => kernel.spawn('no-such-program', [], { netns: netns.name })).toThrow(NotFoundError);
    expect(() => kernel.spawn('', [], { netns: netns.name })).toThrow(ValidationError);
  });

  it('connects to listeners inside the namespace, and to none outside', async () => {
    const server = await kernel.listen({ netns: netns.name, address: '127.0.0.1', port: 0 });
    server.on('connection', (socket) => socket.end('from inside'));
    const { port } = server.address() as AddressInfo;
    expect(await netns.run('ss', '-Hltn')).toContain(`127.0.0.1:${port}`);
    const socket = await kernel.dial({ netns: netns.name, address: '127.0.0.1', port });
    expect(await text(socket)).toBe('from inside');
    await expect(kernel.dial({ address: '127.0.0.1', port })).rejects.toMatchObject({
      code: 'ECONNREFUSED',
      operation: `connect to 127.0.0.1:${port}`,
    });
    server.close();
    await once(server, 'close');
  });

  it('times out for an address that does not answer', async () => {
    await netns.ip('link', 'add', 'quiet', 'type', 'bridge');
    await netns.ip('address', 'add', '192.0.2.1/24', 'dev', 'quiet');
    await netns.ip('link', 'set', 'quiet', 'up');
    await expect(
      kernel.dial({ netns: netns.name, address: '192.0.2.2', port: 80, timeout: 200 }),
    ).rejects.toMatchObject({ code: 'ETIMEDOUT' });
  });

  it('sends and receives datagrams in the namespace', async () => {
    const [one, other] = await Promise.all([
      kernel.bind({ netns: netns.name, address: '127.0.0.1', port: 0 }),
      kernel.bind({ netns: netns.name, address: '127.0.0.1', port: 0 }),
    ]);
    const received = once(other, 'message');
    one.send('ping', other.address().port, '127.0.0.1');
    expect(String((await received)[0])).toBe('ping');
    one.close();
    other.close();
  });

  it('leaves every thread in its own namespace', () => {
    const own = readlinkSync('/proc/self/ns/net');
    for (const task of readdirSync('/proc/self/task')) {
      expect(readlinkSync(`/proc/self/task/${task}/ns/net`)).toBe(own);
    }
  });
});
