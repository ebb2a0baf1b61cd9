import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { KernelError, NotFoundError, ValidationError } from '../../../src/errors.js';
import { type Operation, openKernel, type QueryName } from '../../../src/kernel/index.js';
import { anyText } from '../../support/texts.js';

/** No such namespace: whatever is accepted ends with ENOENT there, and nothing is ever sent. */
const nowhere = 'vwt-no-such-namespace';

const kernel = openKernel();

class Thrown extends Error {}

/** What an argument may be. Nothing here is shared between runs: some of it is destructive. */
const odd: fc.Arbitrary<unknown> = fc.oneof(
  fc.anything({
    withBigInt: true,
    withDate: true,
    withMap: true,
    withSet: true,
    withTypedArray: true,
    withSparseArray: true,
  }),
  anyText(),
  anyText().map((text) => `${text}\0${text}`),
  fc.double(),
  fc.integer(),
  fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }),
  fc.uint8Array({ maxLength: 200 }),
  fc.constantFrom<unknown>(
    -0,
    Number.NaN,
    Infinity,
    2 ** 31,
    2 ** 32,
    2 ** 53,
    -1,
    1.5,
    '',
    '\ud800',
    'x'.repeat(70_000),
  ),
  fc
    .constantFrom(
      () => Symbol('s'),
      () => () => 1,
      () => Object.create(null) as unknown,
      () => {
        const loop: Record<string, unknown> = {};
        loop.loop = loop;
        return loop;
      },
      () => {
        const loop: unknown[] = [];
        loop.push(loop);
        return loop;
      },
      () =>
        new Proxy(
          {},
          {
            ownKeys: () => ['a', 'b'],
            get: () => 'c',
            getOwnPropertyDescriptor: () => ({ configurable: true, enumerable: true }),
          },
        ),
      () => new Proxy([], {}),
      () =>
        new Proxy(
          {},
          {
            ownKeys: () => {
              throw new Thrown('ownKeys');
            },
          },
        ),
      () => ({
        get trap(): never {
          throw new Thrown('getter');
        },
      }),
      () => new Uint8Array(new SharedArrayBuffer(16)),
      () => {
        const bytes = new Uint8Array(16);
        structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
        return bytes;
      },
      () => new Uint8Array(Reflect.construct(ArrayBuffer, [16, { maxByteLength: 64 }]) as ArrayBuffer),
      () => new DataView(new ArrayBuffer(8)),
      () => new Date(),
      () => Promise.resolve(),
      () => new WeakMap(),
      () => /x/,
      () => new Error('e'),
      () => Object(1n) as unknown,
      () => new String('boxed'),
      () => new Array(2 ** 32 - 1),
      () => {
        // Asked for one element, it grows by another.
        const growing: unknown[] = [];
        const more = {
          get(): number {
            Object.defineProperty(growing, growing.length, { ...more, enumerable: true, configurable: true });
            return 1;
          },
        };
        Object.defineProperty(growing, 0, { ...more, enumerable: true, configurable: true });
        return growing.length < 0 ? growing : growing.slice(0, 1);
      },
    )
    .map((make) => make()),
);

const textKeys = [
  'index', 'name', 'kind', 'data', 'peer', 'netns', 'mtu', 'address', 'master', 'group', 'up', 'alias', 'inet', 'inet6',
  'id', 'local', 'remote', 'link', 'port', 'portRange', 'learning', 'ttl', 'stp', 'ageingTime', 'priority', 'destination',
  'gateway', 'table', 'metric', 'type', 'scope', 'protocol', 'nextHops', 'mark', 'mask', 'source', 'family', 'state',
  'self', 'vlan', 'vni', 'owner', 'key', 'value', 'changes', 'mode', 'commands', 'command', 'filter', 'elements',
  'expressions', 'keyType', 'set', 'chain', 'hook', 'undo', 'actions', 'matches', 'rate', 'burst', '__proto__', 'attribute1', 'toString',
]; // biome-ignore format: a list of words

/** Objects made of the names that operations have, filled with what does not fit, or does by chance. */
const { value: shaped } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    odd,
    fc.constantFrom<unknown>(
      true,
      false,
      1,
      5,
      254,
      'br0',
      '10.0.0.1',
      '10.0.0.0/8',
      'fd00::1',
      '02:00:00:00:00:01',
      'veth',
      'vxlan',
      'bridge',
      'inet',
    ),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(fc.constantFrom(...textKeys), tie('value'), { maxKeys: 6 }),
  ),
}));

const arguments_: Record<Operation['op'], readonly string[]> = {
  'link.add': ['link'],
  'link.set': ['link', 'changes'],
  'link.delete': ['link'],
  'link.port': ['index', 'port'],
  'link.offload': ['index', 'txChecksum'],
  'link.ipv6': ['index', 'disabled'],
  'address.add': ['address', 'mode'],
  'address.delete': ['address'],
  'route.add': ['route', 'mode'],
  'route.delete': ['route'],
  'rule.add': ['rule'],
  'rule.delete': ['rule'],
  'neighbour.add': ['neighbour', 'mode', 'undo'],
  'neighbour.delete': ['neighbour'],
  'qdisc.add': ['qdisc', 'mode'],
  'qdisc.delete': ['qdisc'],
  'filter.add': ['filter', 'mode'],
  'filter.delete': ['filter'],
  'sysctl.set': ['key', 'value'],
  'tap.add': ['tap'],
  'namespace.add': ['name'],
  'namespace.delete': ['name'],
  'nftables.batch': ['commands'],
  'conntrack.add': ['connections', 'mode'],
  'conntrack.delete': ['filter'],
};

/** Arguments under which each operation would be accepted; one part of them is then replaced. */
const valid: Partial<Record<Operation['op'], object>> = {
  'link.add': {
    link: {
      kind: 'veth',
      name: 'a',
      index: 5,
      mtu: 1400,
      address: '02:00:00:00:00:01',
      master: 4,
      group: 3,
      up: true,
      txQueueLength: 10,
      data: { peer: { name: 'b', index: 6, mtu: 1400, netns: nowhere } },
    },
  },
  'link.set': {
    link: { index: 5 },
    changes: {
      name: 'b',
      mtu: 1400,
      alias: 'text',
      inet: { rpFilter: 2 },
      inet6: { addressGeneration: 'none' },
      netns: 1,
    },
  },
  'link.delete': { link: { group: 7 } },
  'qdisc.add': {
    mode: 'replace',
    qdisc: { index: 5, kind: 'tbf', parent: 'root', handle: '1:', data: { rate: 1000, burst: 2000, latency: 0.5 } },
  },
  'filter.add': {
    filter: {
      index: 5,
      kind: 'u32',
      priority: 1,
      data: {
        matches: [{ offset: 12, mask: 255, value: 1 }],
        actions: [
          { kind: 'police', rate: 1000, burst: 2000 },
          { kind: 'mirred', index: 6, mode: 'mirror egress' },
        ],
      },
    },
  },
  'link.offload': { index: 5, txChecksum: false },
  'link.ipv6': { index: 5, disabled: true },
  'link.port': { index: 5, port: { isolated: true, cost: 4, state: 'forwarding' } },
  'address.add': {
    mode: 'replace',
    address: {
      index: 5,
      address: '10.0.0.1/24',
      broadcast: '10.0.0.255',
      label: 'br0',
      scope: 'global',
      nodad: true,
      noPrefixRoute: true,
      validLifetime: 100,
      preferredLifetime: 50,
    },
  },
  'route.add': {
    route: {
      destination: '10.0.0.0/8',
      gateway: '10.1.0.1',
      source: '10.2.0.1',
      index: 5,
      table: 300,
      metric: 5,
      mtu: 1400,
      type: 'unicast',
      scope: 'global',
      protocol: 'static',
      onlink: true,
      nextHops: [{ index: 4, gateway: '10.9.0.1', weight: 3, onlink: true }],
    },
  },
  'rule.add': {
    rule: {
      priority: 5,
      table: 7,
      mark: 3,
      mask: 4,
      source: '10.0.0.0/8',
      inputInterface: 'lo',
      action: 'lookup',
      invert: true,
    },
  },
  'neighbour.add': {
    neighbour: {
      index: 5,
      destination: '10.0.0.1',
      address: '02:00:00:00:00:01',
      state: 'permanent',
      vlan: 3,
      vni: 4,
      port: 5,
      self: true,
    },
  },
  'sysctl.set': { key: 'ipv4/ip_forward', value: 1 },
  'tap.add': { tap: { name: 'tap0', index: 5, owner: 0, group: 0, multiQueue: true, vnetHeader: true } },
};

/** Every place within plain data, as paths. */
function places(value: unknown, path: (string | number)[] = []): (string | number)[][] {
  if (typeof value !== 'object' || value === null) return [path];
  return [path, ...Object.entries(value).flatMap(([key, inner]) => places(inner, [...path, key]))];
}

function replaced(value: unknown, [key, ...rest]: (string | number)[], by: unknown): unknown {
  if (key === undefined) return by;
  const copy = (Array.isArray(value) ? [...value] : { ...(value as object) }) as Record<string | number, unknown>;
  copy[key] = replaced(copy[key], rest, by);
  return copy;
}

/** Accepted (and then refused for want of the namespace), or refused with an error of ours: nothing else. */
async function expectTyped(call: () => Promise<unknown>): Promise<void> {
  let error: unknown;
  try {
    await call();
  } catch (caught) {
    error = caught;
  }
  // A tear-down of what was never there succeeds.
  if (error === undefined || error instanceof Thrown) return;
  if (error instanceof ValidationError) {
    expect(error.field).not.toBe('');
    expect(error.expected).not.toBe('');
    expect(error.message.length).toBeLessThan(2000);
    expect(JSON.stringify(error)).toContain('ERR_VETHWORK_VALIDATION');
    return;
  }
  // A program that is none.
  if (error instanceof NotFoundError) return;
  expect(error).toBeInstanceOf(KernelError);
  // An argument that names a namespace or a program may be missing in other ways.
  expect((error as KernelError).code).toMatch(/^E[A-Z0-9]+$/);
}

/** `npm run campaign:values` tries many more. */
const runs = { numRuns: 500 };

describe('invalid arguments of kernel calls', () => {
  test.each(Object.keys(arguments_).filter((op) => !op.startsWith('namespace.')) as Operation['op'][])(
    '%s',
    async (op) => {
      const pristine = valid[op];
      const fromScratch = fc.record(Object.fromEntries(arguments_[op].map((name) => [name, shaped])), {
        requiredKeys: [],
      });
      const oneOff =
        pristine === undefined
          ? fromScratch
          : fc
              .tuple(fc.constantFrom(...places(pristine).slice(1)), shaped)
              .map(([path, by]) => replaced(pristine, path, by) as object);
      await fc.assert(
        fc.asyncProperty(fc.oneof(fromScratch, oneOff), (given) =>
          expectTyped(() => kernel.transaction([{ ...given, op, netns: nowhere } as Operation])),
        ),
        runs,
      );
    },
  );

  test('valid operations are not sent to a namespace that does not exist', async () => {
    for (const [op, given] of Object.entries(valid)) {
      await expect(kernel.transaction([{ ...given, op, netns: nowhere } as Operation])).rejects.toMatchObject({
        code: 'ENOENT',
      });
    }
  });

  test('lists of operations, operations, names', async () => {
    await fc.assert(
      fc.asyncProperty(shaped, shaped, async (list, entry) => {
        if (Array.isArray(list) && list.length === 0) return;
        await expectTyped(() => kernel.transaction(list as Operation[]));
        await expectTyped(() => kernel.transaction([entry as Operation]));
        await expectTyped(() => kernel.transaction([{ op: entry, netns: nowhere } as Operation]));
        await expectTyped(() => kernel.teardown(list as Operation[]));
      }),
      { numRuns: 1000 },
    );
  });

  test('namespaces', async () => {
    const strange = shaped.filter((netns) => netns !== undefined && netns !== null && typeof netns !== 'number');
    await fc.assert(
      fc.asyncProperty(strange, async (netns) => {
        const reference = netns as string;
        await expectTyped(() =>
          kernel.transaction([{ op: 'link.delete', netns: reference, link: { name: 'vwt-none' } }]),
        );
        await expectTyped(() => kernel.query('link.get', { netns: reference, link: { name: 'vwt-none' } }));
        try {
          void openKernel({ home: reference }).close();
        } catch (error) {
          if (!(error instanceof Thrown)) expect(error).toMatchObject({ name: 'ValidationError', field: 'home' });
        }
      }),
      { numRuns: 1000 },
    );
  });

  test.each<[QueryName, string]>([
    ['link.get', 'link'],
    ['sysctl.get', 'key'],
    ['namespace.id', 'target'],
    ['filter.list', 'parent'],
    ['nftables.list', 'family'],
    ['nftables.target', 'name'],
    ['link.offloads', 'index'],
    ['neighbour.list', 'family'],
  ])('%s', async (query, name) => {
    await fc.assert(
      fc.asyncProperty(shaped, (given) =>
        expectTyped(() => kernel.query(query, { [name]: given, netns: nowhere } as never)),
      ),
      runs,
    );
  });

  test('programs, datagrams, pings', async () => {
    await fc.assert(
      fc.asyncProperty(shaped, shaped, shaped, async (one, two, three) => {
        await expectTyped(() =>
          kernel.run(one as string, two as string[], { netns: nowhere, timeout: three as number }),
        );
        await expectTyped(() => kernel.ping(one as string, { netns: nowhere, timeout: two as number }));
        await expectTyped(() =>
          kernel.sendDatagram({
            netns: nowhere,
            destination: one as string,
            port: two as number,
            payload: three as Uint8Array,
            sourceAddress: three as string,
            device: two as string,
            sourcePort: one as number,
          }),
        );
      }),
      runs,
    );
  });

  // Without a namespace that does not exist it would be done, and here.
  test('operations of ensure', async () => {
    const operations = Object.keys(valid) as Operation['op'][];
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...operations), shaped, fc.array(fc.integer()), async (op, by, where) => {
        const pristine = { op, netns: nowhere, ...valid[op] };
        const paths = places(pristine).slice(2);
        const path = paths[Math.abs(where[0] ?? 0) % paths.length] as (string | number)[];
        await expectTyped(() =>
          kernel.ensure([{ ...(replaced(pristine, path, by) as Operation), netns: nowhere } as Operation]),
        );
        await expectTyped(() => kernel.ensure([{ op, ...(by as object), netns: nowhere } as Operation]));
        await expectTyped(() => kernel.ensure(by as Operation[]));
      }),
      { numRuns: 500 },
    );
  });

  test('sparse arguments of any length', async () => {
    const holes: string[] = new Array(2 ** 32 - 1);
    await expectTyped(async () => void kernel.spawn('sleep', holes, { netns: nowhere }));
  });

  test('programs to spawn, and sockets', async () => {
    await fc.assert(
      fc.asyncProperty(shaped, shaped, shaped, async (one, two, three) => {
        const options = { netns: nowhere, address: one as string, port: two as number };
        for (const call of [
          () => kernel.spawn(one as string, two as string[], { netns: nowhere }),
          () => kernel.spawn(one as string, two as string[], three as object),
          () => kernel.spawn('sleep', ['0'], { netns: three as string }),
        ]) {
          // What names no namespace and no program is not started. To Node, a child that could not be has the pid 0:
          // killed, it would be everything that this test was started with.
          await expectTyped(async () => {
            const child = call()?.once('error', () => undefined);
            if (child?.pid !== undefined) child.kill();
          });
        }
        await expectTyped(() => kernel.dial({ ...options, timeout: three as number }));
        await expectTyped(() => kernel.dial(one as typeof options));
        await expectTyped(() => kernel.listen({ ...options, backlog: three as number, server: three as object }));
        await expectTyped(() => kernel.listen(one as typeof options));
        await expectTyped(() => kernel.bind(options));
        await expectTyped(() => kernel.bind(one as typeof options));
      }),
      { numRuns: 500 },
    );
  });

  test('watches', async () => {
    await fc.assert(
      fc.asyncProperty(shaped, shaped, async (one, two) => {
        const watching = (netns: unknown, options: unknown) => async () => {
          const watch = kernel.watch(netns as string, options as object);
          await watch.return();
          await watch.ready;
        };
        await expectTyped(watching(one, two));
        await expectTyped(watching(nowhere, { topics: one, bufferBytes: two }));
        await expectTyped(watching(nowhere, { snapshot: one, signal: two }));
        await expectTyped(() => kernel.snapshot(one as string));
      }),
      { numRuns: 300 },
    );
  });

  test('options of transactions', async () => {
    const operation: Operation = { op: 'tap.add', netns: nowhere, tap: { name: 'tap0' } };
    await fc.assert(
      fc.asyncProperty(shaped, shaped, shaped, async (lane, signal, rollback) => {
        await expectTyped(() =>
          kernel.transaction([operation], {
            lane: lane as string,
            signal: signal as AbortSignal,
            rollback: rollback as boolean,
          }),
        );
        await expectTyped(() => kernel.transaction([operation], lane as object));
        await expectTyped(() => kernel.teardown([operation], { lane: lane as string }));
      }),
      { numRuns: 500 },
    );
  });
});

describe('arguments larger than a message', () => {
  const add = (link: object): Promise<void> =>
    kernel.transaction([
      { op: 'link.add', netns: nowhere, link: { kind: 'bridge', name: 'br', ...link } } as Operation,
    ]);
  const refused = { name: 'ValidationError', code: 'ERR_VETHWORK_VALIDATION' };

  test('an array of 2^32-1 elements', async () => {
    await expect(kernel.transaction(new Array(2 ** 32 - 1))).rejects.toMatchObject({ ...refused, field: 'operations' });
    await expect(add({ name: new Array(2 ** 32 - 1) })).rejects.toMatchObject(refused);
  });

  test('an array of a million elements instead of a string', async () => {
    await expect(add({ name: new Array(1_000_000).fill('x') })).rejects.toMatchObject({
      ...refused,
      field: 'operations',
    });
    await expect(add({ name: new Array(500_000).fill('x') })).rejects.toMatchObject({
      ...refused,
      field: 'operations[0].link.name',
    });
  });

  test('an object with very many properties', async () => {
    const many = Object.fromEntries(Array.from({ length: 300_000 }, (_, n) => [`p${n}`, n]));
    await expect(add({ data: many })).rejects.toMatchObject({ ...refused, field: 'operations[0].link.data.p0' });
  });

  test('a small object that contains itself many times', async () => {
    let bomb: unknown = 'x';
    for (let depth = 0; depth < 14; ++depth) bomb = Array.from({ length: 10 }, () => bomb);
    await expect(add({ name: bomb })).rejects.toMatchObject(refused);
  });

  test('a long string, many times', async () => {
    const text = 'x'.repeat(64 << 20);
    await expect(add({ name: new Array(1000).fill(text) })).rejects.toMatchObject(refused);
    await expect(add({ name: text })).rejects.toMatchObject(refused);
  });

  test('next hops beyond the 64 KiB of an attribute', async () => {
    const nextHops = Array.from({ length: 5000 }, () => ({ index: 5, gateway: '10.0.0.1' }));
    await expect(
      kernel.transaction([{ op: 'route.add', netns: nowhere, route: { destination: '10.0.0.0/8', nextHops } }]),
    ).rejects.toMatchObject({ ...refused, expected: expect.stringContaining('65531 bytes') });
  });

  test('a hundred thousand operations', async () => {
    const operation: Operation = { op: 'tap.add', netns: nowhere, tap: { name: 'tap0' } };
    await expect(kernel.transaction(new Array(100_000).fill(operation))).rejects.toMatchObject({
      code: 'ENOENT',
      index: 0,
    });
  });

  test('inherited properties are not arguments', async () => {
    const link = Object.create({ colour: 'red', mtu: 'nonsense' }) as Record<string, unknown>;
    Object.assign(link, { kind: 'bridge', name: 'br' });
    await expect(
      kernel.transaction([{ op: 'link.add', netns: nowhere, link } as unknown as Operation]),
    ).rejects.toMatchObject({ code: 'ENOENT' });
  });

  test('numbers outside their range', async () => {
    for (const mtu of [1400.5, -1, Number.NaN, Infinity, 2 ** 53, 2n ** 64n, 2n ** 31n, '1400', [1400], true]) {
      await expect(add({ mtu })).rejects.toMatchObject({ ...refused, field: 'operations[0].link.mtu' });
    }
    // A BigInt that fits is as good as a number.
    await expect(add({ mtu: 1400n })).rejects.toMatchObject({ code: 'ENOENT' });
  });
});
