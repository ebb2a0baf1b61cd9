import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Operation } from '../../../src/kernel/index.js';
import { openStage, rejection } from '../../support/kernel.js';
import { eventually, privileged, sh, type TestNamespace } from '../../support/namespaces.js';

/** Two namespaces on one wire: 10.0.0.1 and 10.0.0.2. */
function wire(left: TestNamespace, right: TestNamespace): Operation[] {
  const ends = [left, right].map(({ name }, n): Operation[] => [
    { op: 'address.add', netns: name, address: { index: 5000 + n, address: `10.0.0.${n + 1}/24` } },
    { op: 'link.set', netns: name, link: { index: 5000 + n }, changes: { up: true } },
  ]);
  const peer = { name: 'wire', index: 5001, netns: right.name };
  return [
    { op: 'link.add', netns: left.name, link: { kind: 'veth', name: 'wire', index: 5000, data: { peer } } },
    ...ends.flat(),
  ];
}

describe.skipIf(!privileged)('programs inside a namespace', () => {
  test('exit code and standard error are returned', async () => {
    await using stage = await openStage();
    const { kernel, netns } = stage;
    expect(await kernel.run('/bin/true', [], { netns })).toEqual({ exitCode: 0, stderr: '' });
    expect(await kernel.run('/bin/sh', ['-c', 'echo out; echo "err $1" >&2; exit 7', 'sh', 'a b'], { netns })).toEqual({
      exitCode: 7,
      stderr: 'err a b\n',
    });
    expect(await kernel.run('/bin/sh', ['-c', 'kill -9 $$'], { netns })).toMatchObject({ exitCode: 128 + 9 });
  });

  test('programs can use the processors that this process can use', async () => {
    await using stage = await openStage();
    const { kernel, netns } = stage;
    const allowed = /^Cpus_allowed:.*$/m;
    const own = allowed.exec(await readFile('/proc/self/status', 'utf8'))?.[0];
    for (let round = 0; round < 5; round++) {
      // The threads that do this keep off the processor of the event loop.
      await Promise.all(Array.from({ length: 20 }, () => kernel.query('link.list', { netns })));
      const ran = Array.from({ length: 8 }, () =>
        kernel.run('/bin/sh', ['-c', 'cat /proc/self/status >&2'], { netns }),
      );
      for (const { stderr } of await Promise.all(ran)) expect(allowed.exec(stderr)?.[0]).toBe(own);
    }
  });

  test('a large standard error neither blocks the program nor fills the memory', async () => {
    await using stage = await openStage();
    const { kernel, netns } = stage;
    const { exitCode, stderr } = await kernel.run('/bin/sh', ['-c', 'head -c 10000000 /dev/zero | tr "\\0" x >&2'], {
      netns,
    });
    expect(exitCode).toBe(0);
    expect(stderr).toMatch(/^x+$/);
    expect(stderr.length).toBeLessThan(100_000);
  });

  test('the program runs in the namespace given by name, path or pid, and by default in that of this process', async () => {
    await using stage = await openStage();
    const { kernel, netns, namespace } = stage;
    const folder = await mkdtemp(join(tmpdir(), 'vethwork-run-'));
    const sleeper = namespace.spawn('sleep', ['60'], { stdio: 'ignore' });
    try {
      const inside = Number(await sh('stat', '-L', '-c', '%i', namespace.path));
      const own = Number(await sh('stat', '-L', '-c', '%i', '/proc/self/ns/net'));
      const pid = sleeper.pid as number;
      // `ip netns exec` enters before it becomes the program.
      await eventually(async () => Number(await sh('stat', '-L', '-c', '%i', `/proc/${pid}/ns/net`)) === inside);
      const where = async (reference?: string | number) => {
        const file = join(folder, 'inode');
        const script = `stat -L -c %i /proc/self/ns/net > ${file}`;
        await kernel.run('/bin/sh', ['-c', script], reference === undefined ? {} : { netns: reference });
        return Number(await readFile(file, 'utf8'));
      };
      expect(await where(netns)).toBe(inside);
      expect(await where(namespace.path)).toBe(inside);
      expect(await where(pid)).toBe(inside);
      expect(await where()).toBe(own);
    } finally {
      sleeper.kill('SIGKILL');
      await rm(folder, { recursive: true });
    }
  });

  test('the program starts with default signal handling, standard descriptors and no others', async () => {
    await using stage = await openStage();
    const { kernel, netns } = stage;
    const script = 'ls /proc/self/fd >&2; grep -E "^Sig(Blk|Ign)" /proc/self/status >&2';
    const { stderr } = await kernel.run('/bin/sh', ['-c', script], { netns });
    const lines = stderr.trim().split('\n');
    // The last descriptor is that of `ls` itself, for the folder.
    expect(lines.slice(0, -2)).toEqual(['0', '1', '2', '3']);
    // 31 standard signals; the C library uses some of the others.
    const masks = lines.slice(-2).map((line) => Number.parseInt(line.split('\t')[1] as string, 16) % 2 ** 31);
    expect(masks).toEqual([0, 0]);
  });

  test('a program is killed with its children after its timeout', async () => {
    await using stage = await openStage();
    const { kernel, netns, namespace } = stage;
    const error = await rejection(kernel.run('/bin/sh', ['-c', 'sleep 600 & sleep 601'], { netns, timeout: 100 }));
    expect(error).toMatchObject({ name: 'KernelError', code: 'ETIMEDOUT', operation: 'run /bin/sh', namespace: netns });
    await eventually(async () => (await sh('ip', 'netns', 'pids', namespace.name)).trim() === '');
  });

  test('a daemon is not waited for, although it keeps the pipe open', async () => {
    await using stage = await openStage();
    const { kernel, netns, namespace } = stage;
    expect(await kernel.run('/bin/sh', ['-c', 'setsid sleep 600 & exit 3'], { netns })).toMatchObject({ exitCode: 3 });
    expect((await sh('ip', 'netns', 'pids', namespace.name)).trim()).not.toBe('');
  });

  test('waiting programs block neither the namespace nor each other', async () => {
    await using stage = await openStage();
    const { kernel, netns } = stage;
    const order: string[] = [];
    const slow = kernel.run('/bin/sleep', ['1'], { netns }).then(() => order.push('slow'));
    await kernel.run('/bin/true', [], { netns }).then(() => order.push('fast'));
    await kernel.query('link.list', { netns }).then(() => order.push('list'));
    await slow;
    expect(order).toEqual(['fast', 'list', 'slow']);
  });

  test('a missing program, a missing namespace and wrong arguments give errors', async () => {
    await using stage = await openStage();
    const { kernel, netns } = stage;
    expect(await rejection(kernel.run('/no/such/program', [], { netns }))).toMatchObject({
      code: 'ENOENT',
      operation: 'run /no/such/program',
    });
    expect(await rejection(kernel.run('/etc/passwd', [], { netns }))).toMatchObject({ code: 'EACCES' });
    expect(await rejection(kernel.run('/bin/true', [], { netns: 'vwt-none' }))).toMatchObject({
      code: 'ENOENT',
      namespace: 'vwt-none',
    });
    expect(await rejection(kernel.run('true', [], { netns }))).toMatchObject({
      name: 'ValidationError',
      field: 'file',
    });
    expect(await rejection(kernel.run('/bin/true', ['a\0b'], { netns }))).toMatchObject({
      field: expect.stringMatching(/^arguments/),
    });
    expect(await rejection(kernel.run('/bin/true', [], { netns, timeout: 0 }))).toMatchObject({ field: 'timeout' });
  });
});

describe.skipIf(!privileged)('packets from inside a namespace', () => {
  test('a datagram is received as tcpdump shows it', async () => {
    await using stage = await openStage(2);
    const { kernel, namespace, other } = stage;
    await kernel.transaction(wire(namespace, other));
    const dump = other.spawn('tcpdump', ['-i', 'wire', '-n', '-l', '-A', '-c', '1', 'udp'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let seen = '';
    let ready = '';
    dump.stdout?.on('data', (data: Buffer) => {
      seen += data;
    });
    dump.stderr?.on('data', (data: Buffer) => {
      ready += data;
    });
    try {
      await eventually(() => ready.includes('listening on wire'));
      await kernel.sendDatagram({
        netns: namespace.name,
        sourceAddress: '10.0.0.1',
        sourcePort: 68,
        device: 'wire',
        destination: '10.0.0.2',
        port: 67,
        payload: new TextEncoder().encode('vethwork was here'),
      });
      await eventually(() => seen.includes('IP 10.0.0.1.68 > 10.0.0.2.67') && /vethwork/.test(seen));
    } finally {
      dump.kill();
      if (dump.exitCode === null) await once(dump, 'exit');
    }
  });

  test('a datagram that cannot be sent gives an error', async () => {
    await using stage = await openStage();
    const { kernel, netns } = stage;
    const datagram = { netns, destination: '192.0.2.1', port: 67, payload: new Uint8Array() };
    expect(await rejection(kernel.sendDatagram(datagram))).toMatchObject({
      code: 'ENETUNREACH',
      operation: 'send a datagram to 192.0.2.1:67',
      namespace: netns,
    });
    expect(await rejection(kernel.sendDatagram({ ...datagram, device: 'none' }))).toMatchObject({ code: 'ENODEV' });
    expect(await rejection(kernel.sendDatagram({ ...datagram, sourceAddress: '10.9.9.9' }))).toMatchObject({
      code: 'EADDRNOTAVAIL',
    });
    expect(await rejection(kernel.sendDatagram({ ...datagram, port: 0 }))).toMatchObject({ field: 'port' });
    expect(await rejection(kernel.sendDatagram({ ...datagram, destination: 'fd00::1' }))).toMatchObject({
      field: 'destination',
    });
    const large = new Uint8Array(65508);
    expect(await rejection(kernel.sendDatagram({ ...datagram, payload: large }))).toMatchObject({ field: 'payload' });
  });

  test('an address that is up answers a ping, another does not', async () => {
    await using stage = await openStage(2);
    const { kernel, netns, namespace, other } = stage;
    await kernel.transaction(wire(namespace, other));
    const time = await kernel.ping('10.0.0.2', { netns, timeout: 5000 });
    expect(time).toBeGreaterThan(0);
    expect(await kernel.ping('10.0.0.3', { netns, timeout: 200 })).toBeUndefined();
    expect(await kernel.ping('127.0.0.1', { netns })).toBeGreaterThan(0);
    expect(await rejection(kernel.ping('192.0.2.1', { netns }))).toMatchObject({
      code: 'ENETUNREACH',
      operation: 'ping 192.0.2.1',
    });
    expect(await rejection(kernel.ping('::1', { netns }))).toMatchObject({ field: 'destination' });
  });

  test('concurrent pings get their own replies', async () => {
    await using stage = await openStage(2);
    const { kernel, netns, namespace, other } = stage;
    await kernel.transaction(wire(namespace, other));
    const targets = Array.from({ length: 24 }, (_, n) => (n % 3 === 0 ? '10.0.0.77' : '10.0.0.2'));
    const times = await Promise.all(targets.map((target) => kernel.ping(target, { netns, timeout: 1500 })));
    expect(times.map((time) => time !== undefined)).toEqual(targets.map((target) => target === '10.0.0.2'));
  });
});

describe.skipIf(!privileged)('sysctls', () => {
  test('are set and read in their namespace', async () => {
    await using stage = await openStage(2);
    const { kernel, netns, other } = stage;
    const shown = (namespace: TestNamespace, key: string) => namespace.run('cat', `/proc/sys/net/${key}`);
    await kernel.transaction([
      { op: 'link.add', netns, link: { kind: 'bridge', name: 'a.b', index: 5000 } },
      { op: 'sysctl.set', netns, key: 'ipv4/ip_forward', value: 1 },
      { op: 'sysctl.set', netns, key: 'ipv4/conf/a.b/arp_ignore', value: '8' },
      { op: 'sysctl.set', netns, key: 'ipv4/ip_local_port_range', value: '20000 30000' },
      { op: 'sysctl.set', netns: other.name, key: 'ipv4/ip_forward', value: 0 },
    ]);
    expect(await shown(stage.namespace, 'ipv4/ip_forward')).toBe('1\n');
    expect(await shown(other, 'ipv4/ip_forward')).toBe('0\n');
    expect(await shown(stage.namespace, 'ipv4/conf/a.b/arp_ignore')).toBe('8\n');
    expect(await kernel.query('sysctl.get', { netns, key: 'ipv4/conf/a.b/arp_ignore' })).toBe('8');
    expect(await kernel.query('sysctl.get', { netns, key: 'ipv4/ip_local_port_range' })).toBe('20000\t30000');
    expect(await kernel.query('sysctl.get', { netns: other.name, key: 'ipv4/ip_forward' })).toBe('0');
  });

  test('give the error of the kernel for invalid values', async () => {
    await using stage = await openStage();
    const { kernel, netns } = stage;
    const set = (key: string, value: string | number) =>
      rejection(kernel.transaction([{ op: 'sysctl.set', netns, key, value }]));
    expect(await set('ipv4/no_such_key', 1)).toMatchObject({
      code: 'ENOENT',
      operation: 'set net/ipv4/no_such_key to 1',
    });
    expect(await set('ipv4/ip_forward', 'nonsense')).toMatchObject({ code: 'EINVAL' });
    expect(await set('ipv4', 1)).toMatchObject({ code: 'EISDIR' });
  });

  test.each([
    '',
    '/',
    '.',
    '..',
    '../kernel/hostname',
    'ipv4/../../kernel/hostname',
    '/etc/passwd',
    'ipv4//ip_forward',
    'ipv4/./ip_forward',
    'ipv4/ip_forward/',
    'ipv4/ip\0forward',
    `ipv4/${'x'.repeat(300)}`,
  ])('%j is not a valid key', async (key) => {
    await using stage = await openStage();
    const { kernel, netns } = stage;
    const before = await sh('cat', '/proc/sys/kernel/hostname');
    expect(await rejection(kernel.transaction([{ op: 'sysctl.set', netns, key, value: 'x' }]))).toMatchObject({
      name: 'ValidationError',
      field: 'operations[0].key',
    });
    expect(await rejection(kernel.query('sysctl.get', { netns, key }))).toMatchObject({
      name: 'ValidationError',
      field: 'key',
    });
    expect(await sh('cat', '/proc/sys/kernel/hostname')).toBe(before);
  });
});
