import { describe, expect, test } from 'vitest';
import { ValidationError } from '../../../src/errors.js';
import type { Operation } from '../../../src/kernel/index.js';
import { openStage } from '../../support/kernel.js';
import { privileged, type TestNamespace } from '../../support/namespaces.js';

interface Entry {
  protocol: string;
  source: string;
  destination: string;
  /** Where answers come from and go to, if the connection is translated. */
  replySource?: string;
  replyDestination?: string;
  mark?: number;
  zone?: number;
  port?: number;
}

/** Makes the kernel track a connection, with the tool conntrack. */
async function track(namespace: TestNamespace, entry: Entry): Promise<void> {
  const { protocol, source, destination, replySource = destination, replyDestination = source, port = 1000 } = entry;
  const ports = ['--sport', String(port), '--dport', '53', '--reply-port-src', '53', '--reply-port-dst', String(port)];
  const details: Record<string, string[]> = {
    udp: ports,
    tcp: [...ports, '--state', 'ESTABLISHED'],
    icmp: ['--icmp-type', '8', '--icmp-code', '0', '--icmp-id', String(port)],
    icmpv6: ['--icmpv6-type', '128', '--icmpv6-code', '0', '--icmpv6-id', String(port)],
    sctp: ports,
  };
  await namespace.run(
    'conntrack',
    ...['-I', '-p', protocol, '-s', source, '-d', destination, '-r', replySource, '-q', replyDestination],
    ...(details[protocol] ?? []),
    ...['--timeout', '300', '--mark', String(entry.mark ?? 0)],
    ...(entry.zone === undefined ? [] : ['--zone', String(entry.zone)]),
  );
}

/** What is tracked, as conntrack shows it: protocol, source and destination of each connection. */
async function tracked(namespace: TestNamespace): Promise<string[]> {
  const both = await Promise.all(
    ['ipv4', 'ipv6'].map((family) => namespace.run('conntrack', '-L', '-f', family, '-o', 'extended')),
  );
  return both
    .join('')
    .split('\n')
    .flatMap((line) => {
      const [, protocol, source, destination] = /^ipv\d\s+\d+ (\S+) .*?src=(\S+) dst=(\S+)/.exec(line) ?? [];
      return protocol === undefined ? [] : [`${protocol} ${source} ${destination}`];
    })
    .sort();
}

const floating = { replySource: '172.16.0.37' };
const entries: Entry[] = [
  { protocol: 'udp', source: '10.0.0.1', destination: '192.168.15.29', mark: 7, ...floating },
  { protocol: 'tcp', source: '10.0.0.2', destination: '192.168.15.29', ...floating },
  { protocol: 'icmp', source: '10.0.0.3', destination: '192.168.15.29', ...floating },
  { protocol: 'tcp', source: '172.16.0.37', destination: '10.0.0.4', replyDestination: '192.168.15.194' },
  { protocol: 'udp', source: '172.16.0.99', destination: '10.0.0.5', mark: 7 },
  { protocol: 'udp', source: '2001:db8::1', destination: '2001:db8::2' },
];

const texts = (some: Entry[]) =>
  some.map(({ protocol, source, destination }) => `${protocol} ${source} ${destination}`).sort();

async function openTrackingStage() {
  const stage = await openStage();
  for (const entry of entries) await track(stage.namespace, entry);
  expect(await tracked(stage.namespace)).toEqual(texts(entries));
  return stage;
}

describe.skipIf(!privileged)('connections', () => {
  test('are listed as conntrack lists them', async () => {
    await using stage = await openTrackingStage();
    const listed = await stage.kernel.query('conntrack.list', { netns: stage.netns });
    expect(
      listed.map(({ original: { protocol, source, destination } }) => `${protocol} ${source} ${destination}`).sort(),
    ).toEqual(texts(entries));
    const udp = listed.find(({ mark, original }) => mark === 7 && original.source === '10.0.0.1');
    expect(udp).toMatchObject({
      family: 'ip',
      original: { destination: '192.168.15.29', protocol: 'udp', sourcePort: 1000, destinationPort: 53 },
      reply: { source: '172.16.0.37', destination: '10.0.0.1', sourcePort: 53, destinationPort: 1000 },
    });
    expect(udp?.timeout).toBeGreaterThan(0);
    expect(listed.find(({ original }) => original.protocol === 'icmp')?.original).toMatchObject({
      icmpType: 8,
      icmpId: 1000,
    });
  });

  test.each([
    ['a floating address, as they came in', { address: '192.168.15.29' }, [3, 4, 5]],
    ['an instance, in either direction', { address: '172.16.0.37' }, [4, 5]],
    ['the address that answers go to', { address: '192.168.15.194' }, [0, 1, 2, 4, 5]],
    ['an IPv6 address', { address: '2001:db8::2' }, [0, 1, 2, 3, 4]],
    ['a mark', { mark: 7 }, [1, 2, 3, 5]],
    ['an address and a mark', { address: '192.168.15.29', mark: 7 }, [1, 2, 3, 4, 5]],
    ['a protocol', { protocol: 'tcp' as const }, [0, 2, 4, 5]],
    ['a protocol and a port that has none', { protocol: 'tcp' as const, port: 54 }, [0, 1, 2, 3, 4, 5]],
    ['a port', { port: 53 }, [2]],
    ['a source', { source: '172.16.0.37' }, [4, 5]],
    ['a source as first packets have it', { source: '172.16.0.37', direction: 'original' as const }, [0, 1, 2, 4, 5]],
    ['an address as answers have it', { address: '172.16.0.37', direction: 'reply' as const }, [3, 4, 5]],
    ['both ends of one direction', { source: '10.0.0.1', destination: '192.168.15.29' }, [1, 2, 3, 4, 5]],
    ['ends of different directions', { source: '10.0.0.1', destination: '172.16.0.37' }, [0, 1, 2, 3, 4, 5]],
    ['a source and its port', { source: '10.0.0.1', sourcePort: 1000 }, [1, 2, 3, 4, 5]],
    ['a source and the other port', { source: '10.0.0.1', sourcePort: 53 }, [0, 1, 2, 3, 4, 5]],
    ['another port', { destinationPort: 53, direction: 'reply' as const }, [0, 1, 2, 3, 4, 5]],
    ['no zone', { zone: 0, protocol: 'icmp' as const }, [0, 1, 3, 4, 5]],
    ['another zone', { zone: 5 }, [0, 1, 2, 3, 4, 5]],
    ['an address that has none', { address: '10.9.9.9' }, [0, 1, 2, 3, 4, 5]],
  ])('of %s are deleted, and no others', async (_about, filter, left) => {
    await using stage = await openTrackingStage();
    const operation: Operation = { op: 'conntrack.delete', netns: stage.netns, filter };
    await stage.kernel.transaction([operation]);
    expect(await tracked(stage.namespace)).toEqual(texts(left.map((index) => entries[index] as Entry)));
    await stage.kernel.transaction([operation]);
  });

  test('of a zone are deleted in this zone', async () => {
    await using stage = await openStage();
    const one = { protocol: 'udp', source: '10.0.0.1', destination: '10.0.0.2' };
    await track(stage.namespace, { ...one, zone: 5 });
    await track(stage.namespace, one);
    expect((await stage.kernel.query('conntrack.list', { netns: stage.netns })).map(({ zone }) => zone).sort()).toEqual(
      [5, undefined],
    );
    const forget = (filter: Extract<Operation, { op: 'conntrack.delete' }>['filter']) =>
      stage.kernel.transaction([{ op: 'conntrack.delete', netns: stage.netns, filter }]);
    const zones = async () =>
      [...(await stage.namespace.run('conntrack', '-L')).matchAll(/ zone=(\d+)/g)].map(([, zone]) => zone);
    await forget({ address: '10.0.0.1', zone: 6 });
    expect(await tracked(stage.namespace)).toHaveLength(2);
    await forget({ zone: 0, protocol: 'udp' });
    expect(await zones()).toEqual(['5']);
    expect(await tracked(stage.namespace)).toHaveLength(1);
    await forget({ address: '10.0.0.1', zone: 5 });
    expect(await tracked(stage.namespace)).toEqual([]);
  });

  test('of any number are deleted', async () => {
    await using stage = await openStage();
    const { kernel, netns, namespace } = stage;
    // The kernel tracks connections only if a rule needs it.
    await namespace.run('nft', 'add table ip t; add chain ip t c { type filter hook input priority 0; ct state new; }');
    await Promise.all(
      Array.from({ length: 700 }, (_, port) =>
        kernel.sendDatagram({ netns, destination: '127.0.0.9', port: 1000 + port, payload: new Uint8Array(1) }),
      ),
    );
    await kernel.sendDatagram({ netns, destination: '127.0.0.8', port: 1, payload: new Uint8Array(1) });
    expect(await tracked(namespace)).toHaveLength(701);
    await kernel.transaction([{ op: 'conntrack.delete', netns, filter: { address: '127.0.0.9' } }]);
    expect(await tracked(namespace)).toEqual(['udp 127.0.0.1 127.0.0.8']);
  });

  test.each([
    ['nothing', {}, 'filter'],
    ['only undefined', { address: undefined, mark: undefined }, 'filter'],
    ['a misspelt property', { adress: '10.0.0.1' }, 'filter.adress'],
    ['no address', { address: '10.0.0' }, 'filter.address'],
    ['no protocol', { protocol: 'carrier pigeon' }, 'filter.protocol'],
    ['a port beyond 16 bits', { port: 65536 }, 'filter.port'],
    ['a mark beyond 32 bits', { mark: 2 ** 32 }, 'filter.mark'],
    ['only a direction', { direction: 'reply' }, 'filter'],
    ['no direction', { source: '10.0.0.1', direction: 'sideways' }, 'filter.direction'],
    ['two families', { source: '10.0.0.1', destination: '::1' }, 'filter.destination'],
    ['a zone beyond 16 bits', { zone: 65536 }, 'filter.zone'],
  ])('are not deleted by a filter of %s', async (_about, filter, field) => {
    await using stage = await openTrackingStage();
    const operation = { op: 'conntrack.delete', netns: stage.netns, filter } as Operation;
    await expect(stage.kernel.transaction([operation])).rejects.toThrow(ValidationError);
    await expect(stage.kernel.transaction([operation])).rejects.toMatchObject({
      field: expect.stringContaining(field),
    });
    expect(await tracked(stage.namespace)).toEqual(texts(entries));
  });
});
