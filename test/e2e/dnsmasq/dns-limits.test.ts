import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Background, start, inside as within } from '../../../src/demo/tools.js';
import type { Network } from '../../../src/index.js';
import { eventually, privileged, type TestNamespace } from '../../support/namespaces.js';
import { repairLines } from '../../support/repairs.js';
import { type Instance, Walkthrough } from '../../support/walkthrough.js';

const GATEWAY = '172.16.0.1';
const PYTHON = '/usr/bin/python3';

/** A name server that answers for names that begin with `good`, and is silent about others. */
const RESOLVER = `
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
s.bind(("0.0.0.0", 53))
print("listening", flush=True)
while True:
    q, who = s.recvfrom(4096)
    if q[13:17] != b"good": continue
    end = 12
    while q[end]: end += q[end] + 1
    s.sendto(q[:2] + bytes.fromhex("81800001000100000000") + q[12:end + 5] + bytes.fromhex("c00c000100010000003c0004c0000201"), who)
`;

/** Sends this number of queries for unknown names, from one port or from many. */
const FLOOD = `
import socket, sys
count, ports = int(sys.argv[1]), int(sys.argv[2])
sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(ports)]
for s in sockets: s.connect(("${GATEWAY}", 53))
for number in range(count):
    label = b"bad%d" % number
    q = number.to_bytes(2, "big") + bytes.fromhex("01000001000000000000") + bytes([len(label)]) + label + b"\\x07example\\x00\\x00\\x01\\x00\\x01"
    try: sockets[number % ports].send(q)
    except OSError: pass
print("sent", count)
`;

/** The same in packets of a hundred queries each, which are cut only where they are received. */
const PACKED = `
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.IPPROTO_UDP, 103, 29)
s.connect(("${GATEWAY}", 53))
for packet in range(int(sys.argv[1]) // 100):
    queries = b""
    for number in range(100):
        label = b"b%010d" % (packet * 100 + number)
        queries += number.to_bytes(2, "big") + bytes.fromhex("01000001000000000000") + bytes([len(label)]) + label + b"\\x00\\x00\\x01\\x00\\x01"
    try: s.send(queries)
    except OSError: pass
print("sent", sys.argv[1])
`;

/** Opens this number of connections, sends nothing, and prints how many were accepted. */
const HOLD = `
import socket, sys, time, select
held = []
for _ in range(int(sys.argv[1])):
    s = socket.socket()
    s.setblocking(False)
    s.connect_ex(("${GATEWAY}", 53))
    held.append(s)
time.sleep(3)
made = [s for s in held if s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0 and select.select([], [s], [], 0)[1]]
print("made", len(made), flush=True)
time.sleep(600)
`;

describe.skipIf(!privileged)('DNS while one instance exceeds its limits', () => {
  let stage: Walkthrough;
  let network: Network;
  let inside: TestNamespace;
  let greedy: Instance;
  let modest: Instance;
  let serial = 0;

  beforeAll(async () => {
    stage = await Walkthrough.open({ options: { outboundNat: true, dnsServers: ['10.0.0.1'] } });
    await stage.start(stage.outside, PYTHON, '-c', RESOLVER).until(/listening/);
    network = await stage.network({ provideDns: true });
    inside = stage.inside(network);
    greedy = await stage.container(network, 'greedy', { address: '172.16.0.2', allowedAddresses: ['172.16.0.20'] });
    modest = await stage.container(network, 'modest', { address: '172.16.0.3' });
    await greedy.namespace.ip('address', 'add', '172.16.0.20/24', 'dev', 'eth0');
    await eventually(() => resolves(modest));
  });
  afterAll(async () => {
    await stage?.[Symbol.asyncDispose]();
  });

  const dig = async ({ namespace }: Instance, name: string, ...options: string[]) =>
    (await namespace.attempt('dig', '+short', '+tries=1', '+time=3', ...options, `@${GATEWAY}`, name)).stdout.trim();
  /** A name that no cache has. */
  const resolves = async (from: Instance) => (await dig(from, `good${++serial}.example.com`)) === '192.0.2.1';
  const resolvesByTcp = async (from: Instance, ...options: string[]) =>
    (await dig(from, 'modest.vethwork.internal', '+tcp', ...options)) === '172.16.0.3';

  /** Packets that a rule of the network's input chain has counted. */
  async function counted(comment: string): Promise<number> {
    const chain = await inside.run('nft', 'list', 'chain', 'ip', 'vethwork', 'input');
    const line = chain.split('\n').find((each) => each.includes(`comment "${comment}"`));
    return Number(/packets (\d+)/.exec(line ?? '')?.[1]);
  }

  test.each([1, 100])(
    'a neighbour gets answers while an instance has thousands of pending queries, from %d ports',
    async (ports) => {
      expect(await resolves(modest)).toBe(true);
      const before = await counted('DNS over UDP, too much');
      expect(await greedy.namespace.run(PYTHON, '-c', FLOOD, '3000', String(ports))).toContain('sent 3000');
      const after = await counted('DNS over UDP, too much');
      expect(after - before).toBeGreaterThan(1000);
      for (let look = 0; look < 3; look++) expect(await resolves(modest)).toBe(true);
      // The instance gets answers again after it has stopped.
      expect(await eventually(() => resolves(greedy))).toBe(true);
    },
  );

  test('a neighbour gets answers while an instance sends several queries in one packet', async () => {
    expect(await resolves(modest)).toBe(true);
    const before = await counted('DNS over UDP, too much');
    expect(await greedy.namespace.run(PYTHON, '-c', PACKED, '40000')).toContain('sent 40000');
    expect(await counted('DNS over UDP, too much')).toBeGreaterThan(before);
    for (let look = 0; look < 3; look++) expect(await resolves(modest)).toBe(true);
    expect(await eventually(() => resolves(greedy))).toBe(true);
  });

  test('a neighbour gets connections while an instance keeps all of its own open', async () => {
    expect(await resolvesByTcp(modest)).toBe(true);
    const holders: Background[] = [];
    try {
      holders.push(start(within(greedy.namespace.name, PYTHON, '-c', HOLD, '60')));
      await holders[0]?.until(/made 4\b/);
      expect(await counted('DNS over TCP, too much')).toBeGreaterThan(0);
      expect(await resolvesByTcp(greedy)).toBe(false);
      // Another address of the same instance shares the limit.
      expect(await resolvesByTcp(greedy, '-b', '172.16.0.20')).toBe(false);
      for (let look = 0; look < 3; look++) expect(await resolvesByTcp(modest)).toBe(true);
    } finally {
      for (const holder of holders) await holder.stop();
    }
    expect(await eventually(() => resolvesByTcp(greedy))).toBe(true);
  });

  test('set elements that packets added are no drift, and are not restored by a repair', async () => {
    expect(await resolvesByTcp(modest)).toBe(true);
    expect(await inside.run('nft', 'list', 'set', 'ip', 'vethwork', 'dns-queries')).toContain(greedy.nic.info.mac);
    expect(await stage.host.reconcile({ dryRun: true })).toEqual([]);
    await inside.run('nft', 'add', 'rule', 'ip', 'vethwork', 'input', 'accept');
    expect(repairLines(await stage.host.reconcile())).toContain('nftables');
    expect(await stage.host.reconcile({ dryRun: true })).toEqual([]);
    expect(await resolves(modest)).toBe(true);
  });
});
