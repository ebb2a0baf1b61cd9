import { describe, expect, test } from 'vitest';
import { KernelError, ValidationError } from '../../../src/errors.js';
import type { Connection, KernelEvent, NewConnection, Operation } from '../../../src/kernel/index.js';
import { openStage } from '../../support/kernel.js';
import { privileged, type TestNamespace } from '../../support/namespaces.js';
import { askTcp, serveTcp } from '../../support/traffic.js';

/** Connections as a router tracks them, with the text of `conntrack -L`, without time and counters. */
const connections: readonly (readonly [string, NewConnection, RegExp])[] = [
  [
    'TCP to a floating address',
    {
      original: {
        source: '10.0.0.1',
        destination: '192.168.15.29',
        protocol: 'tcp',
        sourcePort: 4000,
        destinationPort: 80,
      },
      reply: { source: '172.16.0.37', destination: '10.0.0.1', protocol: 'tcp', sourcePort: 80, destinationPort: 4000 },
      status: ['replied', 'assured', 'confirmed', 'destinationNat', 'sourceNatDone', 'destinationNatDone'],
      timeout: 400,
      tcp: { state: 'established', originalWindowScale: 7, replyWindowScale: 9, originalFlags: 0x0b, replyFlags: 0x0b },
    },
    /tcp .*ESTABLISHED src=10.0.0.1 dst=192.168.15.29 sport=4000 dport=80 src=172.16.0.37 dst=10.0.0.1 sport=80 dport=4000 \[ASSURED\] mark=0/,
  ],
  [
    'masqueraded TCP with another port',
    {
      original: {
        source: '172.16.0.5',
        destination: '10.0.0.9',
        protocol: 'tcp',
        sourcePort: 5000,
        destinationPort: 443,
      },
      reply: {
        source: '10.0.0.9',
        destination: '192.168.15.194',
        protocol: 'tcp',
        sourcePort: 443,
        destinationPort: 6001,
      },
      status: ['replied', 'assured', 'sourceNat'],
      timeout: 300,
      mark: 0xc0a80f1d,
      tcp: { state: 'finWait' },
    },
    /tcp .*FIN_WAIT src=172.16.0.5 dst=10.0.0.9 sport=5000 dport=443 src=10.0.0.9 dst=192.168.15.194 sport=443 dport=6001 \[ASSURED\] mark=3232239389/,
  ],
  [
    'UDP within a network, translated at both ends',
    {
      original: {
        source: '172.16.0.5',
        destination: '192.168.15.29',
        protocol: 'udp',
        sourcePort: 53,
        destinationPort: 53,
      },
      reply: {
        source: '172.16.0.37',
        destination: '172.16.0.1',
        protocol: 'udp',
        sourcePort: 53,
        destinationPort: 1024,
      },
      status: ['replied'],
      timeout: 100,
    },
    /udp .*src=172.16.0.5 dst=192.168.15.29 sport=53 dport=53 src=172.16.0.37 dst=172.16.0.1 sport=53 dport=1024 mark=0/,
  ],
  [
    'ICMP with another id',
    {
      original: {
        source: '172.16.0.5',
        destination: '10.0.0.9',
        protocol: 'icmp',
        icmpType: 8,
        icmpCode: 0,
        icmpId: 7,
      },
      reply: {
        source: '10.0.0.9',
        destination: '192.168.15.194',
        protocol: 'icmp',
        icmpType: 0,
        icmpCode: 0,
        icmpId: 9,
      },
      status: ['replied'],
      timeout: 30,
    },
    /icmp .*src=172.16.0.5 dst=10.0.0.9 type=8 code=0 id=7 src=10.0.0.9 dst=192.168.15.194 type=0 code=0 id=9 mark=0/,
  ],
  [
    'untranslated UDP without a reply, in a zone',
    {
      original: { source: '10.1.0.1', destination: '10.1.0.2', protocol: 'udp', sourcePort: 9, destinationPort: 10 },
      reply: { source: '10.1.0.2', destination: '10.1.0.1', protocol: 'udp', sourcePort: 10, destinationPort: 9 },
      timeout: 100,
      zone: 5,
    },
    /udp .*src=10.1.0.1 dst=10.1.0.2 sport=9 dport=10 \[UNREPLIED\] src=10.1.0.2 dst=10.1.0.1 sport=10 dport=9 mark=0 zone=5/,
  ],
  [
    'IPv6',
    {
      original: {
        source: '2001:db8::1',
        destination: '2001:db8::2',
        protocol: 'tcp',
        sourcePort: 9,
        destinationPort: 10,
      },
      reply: { source: '2001:db8::3', destination: '2001:db8::1', protocol: 'tcp', sourcePort: 10, destinationPort: 9 },
      status: ['replied', 'assured'],
      timeout: 100,
      tcp: { state: 'established' },
    },
    /tcp .*ESTABLISHED src=2001:db8::1 dst=2001:db8::2 sport=9 dport=10 src=2001:db8::3 dst=2001:db8::1 sport=10 dport=9 \[ASSURED\] mark=0/,
  ],
];

/** As conntrack shows them. */
async function shown(namespace: TestNamespace): Promise<string> {
  const both = await Promise.all(
    ['ipv4', 'ipv6'].map((f) => namespace.run('conntrack', '-L', '-f', f, '-o', 'extended')),
  );
  return both.join('');
}

/** A stage whose namespaces translate connections. */
async function openRouterStage(count = 1) {
  const stage = await openStage(count);
  const rules = 'add chain inet t c { type nat hook prerouting priority 0; }; add rule inet t c ct state new';
  for (const namespace of stage.namespaces) await namespace.run('nft', `add table inet t; ${rules}`);
  return stage;
}

const add = (netns: string, some: readonly NewConnection[], mode?: 'create' | 'replace'): Operation => ({
  op: 'conntrack.add',
  netns,
  connections: [...some],
  ...(mode !== undefined && { mode }),
});

const comparable = (listed: readonly Connection[]) =>
  listed
    .map(({ id: _, timeout: __, ...rest }) => ({ ...rest, status: [...rest.status].sort() }))
    .sort((one, other) => JSON.stringify(one).localeCompare(JSON.stringify(other)));

describe.skipIf(!privileged)('writing connections', () => {
  test.each(connections)('%s is as conntrack shows it', async (_title, connection, text) => {
    await using stage = await openRouterStage();
    await stage.kernel.transaction([add(stage.netns, [connection])]);
    expect((await shown(stage.namespace)).trim()).toMatch(text);
  });

  test('a listed connection can be written in another namespace, and is listed there as it was', async () => {
    await using stage = await openRouterStage(2);
    const [from, to] = stage.namespaces.map(({ name }) => name) as [string, string];
    await stage.kernel.transaction([
      add(
        from,
        connections.map(([, connection]) => connection),
      ),
    ]);
    const listed = await stage.kernel.query('conntrack.list', { netns: from });
    expect(listed).toHaveLength(connections.length);
    const floating = listed.find(({ original }) => original.sourcePort === 4000);
    expect(floating).toMatchObject({
      status: expect.arrayContaining(['destinationNat', 'assured', 'replied']),
      tcp: { state: 'established', originalWindowScale: 7, replyWindowScale: 9, originalFlags: 0x0b, replyFlags: 0x0b },
    });
    await stage.kernel.transaction([add(to, listed as NewConnection[])]);
    expect(comparable(await stage.kernel.query('conntrack.list', { netns: to }))).toEqual(comparable(listed));
  });

  test('an existing connection is an error, or is replaced with every connection that has a tuple of it', async () => {
    await using stage = await openRouterStage();
    const { kernel, netns } = stage;
    const [, masqueraded] = connections[1] as (typeof connections)[number];
    // Another connection that has got the same port outside.
    const other = { ...masqueraded, original: { ...masqueraded.original, source: '172.16.0.6' } };
    await kernel.transaction([add(netns, [other])]);
    const refused = await kernel.transaction([add(netns, [masqueraded])]).then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(refused).toBeInstanceOf(KernelError);
    expect(refused).toMatchObject({ code: 'EEXIST' });
    expect(await shown(stage.namespace)).toContain('src=172.16.0.6');
    for (const _time of [1, 2]) {
      await kernel.transaction([add(netns, [masqueraded], 'replace')]);
      const listed = await kernel.query('conntrack.list', { netns });
      expect(listed.map(({ original }) => original.source)).toEqual(['172.16.0.5']);
    }
  });

  test('of many, none stays if one exists, and the error counts those that exist', async () => {
    await using stage = await openRouterStage();
    const many = Array.from({ length: 300 }, (_, index): NewConnection => {
      const [, one] = connections[0] as (typeof connections)[number];
      const sourcePort = 1000 + (index === 299 ? 0 : index);
      return {
        ...one,
        original: { ...one.original, sourcePort },
        reply: { ...one.reply, destinationPort: sourcePort },
      };
    });
    const count = async () => (await stage.kernel.query('conntrack.list', { netns: stage.netns })).length;
    const errors = await stage.kernel.teardown([add(stage.netns, many)]);
    expect(errors).toMatchObject([{ code: 'EEXIST', message: expect.stringContaining('1 of 300 connections') }]);
    expect(await count()).toBe(0);
    // The operations of two transactions that run at once fail separately.
    const [failed, written] = await Promise.allSettled([
      stage.kernel.transaction([add(stage.netns, many)]),
      stage.kernel.transaction([add(stage.netns, many.slice(100, 299))]),
    ]);
    expect([failed.status, written.status]).toEqual(['rejected', 'fulfilled']);
    expect(await count()).toBe(199);
  });

  test('a transaction that fails later removes what it has written, and nothing else', async () => {
    await using stage = await openRouterStage();
    const { kernel, netns } = stage;
    const [first, second] = connections.map(([, connection]) => connection) as [NewConnection, NewConnection];
    await kernel.transaction([add(netns, [first])]);
    const failing: Operation = { op: 'link.delete', netns, link: { name: 'absent' } };
    await expect(kernel.transaction([add(netns, [second]), failing])).rejects.toMatchObject({ code: 'ENODEV' });
    const listed = await kernel.query('conntrack.list', { netns });
    expect(listed.map(({ original }) => original.source)).toEqual(['10.0.0.1']);
  });

  test('a filter selects those that are listed', async () => {
    await using stage = await openRouterStage();
    const { kernel, netns } = stage;
    await kernel.transaction([
      add(
        netns,
        connections.map(([, connection]) => connection),
      ),
    ]);
    const sources = async (filter: Extract<Operation, { op: 'conntrack.delete' }>['filter']) =>
      (await kernel.query('conntrack.list', { netns, filter })).map(({ original }) => original.source).sort();
    expect(await sources({ address: '192.168.15.29' })).toEqual(['10.0.0.1', '172.16.0.5']);
    expect(await sources({ mark: 0xc0a80f1d })).toEqual(['172.16.0.5']);
    expect(await sources({ zone: 5 })).toEqual(['10.1.0.1']);
    expect(await sources({ address: '2001:db8::3' })).toEqual(['2001:db8::1']);
    expect(await sources({ mark: 9 })).toEqual([]);
    await expect(kernel.query('conntrack.list', { netns, filter: {} })).rejects.toThrow(ValidationError);
  });

  const valid = (connections[0] as (typeof connections)[number])[1];
  test.each<[string, object, string]>([
    ['no list', { connections: 7 }, 'connections'],
    ['no tuple', { connections: [{ ...valid, original: undefined }] }, 'connections[0].original'],
    [
      'a tuple without ports',
      { connections: [{ ...valid, reply: { ...valid.reply, sourcePort: undefined } }] },
      'reply.sourcePort',
    ],
    ['no timeout', { connections: [valid, { ...valid, timeout: undefined }] }, 'connections[1].timeout'],
    [
      'two families',
      { connections: [{ ...valid, reply: { ...valid.reply, source: '::1', destination: '::2' } }] },
      'reply',
    ],
    ['two protocols', { connections: [{ ...valid, reply: { ...valid.reply, protocol: 'udp' } }] }, 'reply'],
    ['no state of TCP', { connections: [{ ...valid, tcp: { state: 'asleep' } }] }, 'tcp.state'],
    ['a state beyond those', { connections: [{ ...valid, tcp: { state: 11 } }] }, 'tcp.state'],
    [
      'too large a window scale',
      { connections: [{ ...valid, tcp: { state: 'close', replyWindowScale: 15 } }] },
      'replyWindowScale',
    ],
    ['no status', { connections: [{ ...valid, status: ['well'] }] }, 'status'],
    ['a misspelt property', { connections: [{ ...valid, marc: 1 }] }, 'connections[0].marc'],
    ['a mark beyond 32 bits', { connections: [{ ...valid, mark: 2 ** 32 }] }, 'mark'],
    ['another mode', { connections: [valid], mode: 'append' }, 'mode'],
  ])('%s is rejected', async (_about, args, field) => {
    await using stage = await openRouterStage();
    const operation = { op: 'conntrack.add', netns: stage.netns, ...args } as Operation;
    await expect(stage.kernel.transaction([operation])).rejects.toThrow(ValidationError);
    await expect(stage.kernel.transaction([operation])).rejects.toMatchObject({
      field: expect.stringContaining(field),
    });
    expect(await shown(stage.namespace)).toBe('');
  });
});

describe.skipIf(!privileged)('watching connections', () => {
  test('begins, changes and ends are reported as they are listed, by default none', async () => {
    await using stage = await openRouterStage();
    const { kernel, netns, namespace } = stage;
    await using usual = kernel.watch(netns, {});
    await using watch = kernel.watch(netns, { topics: ['connection', 'nftables'] });
    await Promise.all([usual.ready, watch.ready]);
    await serveTcp(namespace, 'it', 9);
    expect(await askTcp(namespace, '127.0.0.1', 9)).toContain('it sees');
    const [listed] = await kernel.query('conntrack.list', { netns });
    await namespace.run('conntrack', '-D', '-p', 'tcp', '--orig-port-dst', '9');
    await namespace.run('nft', 'add table ip last');
    const events: KernelEvent[] = [];
    do events.push((await watch.next()).value as KernelEvent);
    while (events.at(-1)?.event !== 'nftables.changed');
    const told = events.flatMap((event) => ('connection' in event ? [event.connection] : []));
    expect(events.map(({ event }) => event)).toEqual([
      ...told.slice(1).map(() => 'connection.changed'),
      'connection.deleted',
      'nftables.changed',
    ]);
    expect(told[0]).toMatchObject({ original: listed?.original, tcp: { state: 'synSent' } });
    expect(told.at(-2)).toMatchObject({ status: listed?.status, reply: listed?.reply, tcp: listed?.tcp });
    expect(listed).toMatchObject({ original: { destinationPort: 9 }, status: expect.arrayContaining(['assured']) });
    expect(told.at(-1)).toMatchObject({ original: listed?.original, id: listed?.id });
    // The rule tells that the other watch has received everything.
    expect((await usual.next()).value).toMatchObject({ event: 'nftables.changed' });
  });

  test('events that do not fit are reported as lost, and all connections follow', async () => {
    await using stage = await openRouterStage();
    const { kernel, netns } = stage;
    await using watch = kernel.watch(netns, { topics: ['connection'], bufferBytes: 4096 });
    await watch.ready;
    const [, one] = connections[0] as (typeof connections)[number];
    const many = Array.from(
      { length: 200 },
      (_, index): NewConnection => ({
        ...one,
        original: { ...one.original, sourcePort: 1000 + index },
        reply: { ...one.reply, destinationPort: 1000 + index },
      }),
    );
    await kernel.transaction([add(netns, many)]);
    for (;;) {
      const { value, done } = await watch.next();
      if (done) throw new Error('the watch ended');
      if (value.event !== 'snapshot') continue;
      expect(value.snapshot.connections).toHaveLength(200);
      break;
    }
  });
});
