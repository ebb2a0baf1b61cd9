import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { LinkIndexTakenError } from '../../../src/errors.js';
import type { Expression, Operation } from '../../../src/kernel/index.js';
import { type IpLink, ipPicture, openStage, rejection } from '../../support/kernel.js';
import { eventually, json, privileged, type TestNamespace } from '../../support/namespaces.js';

/** Two namespaces with objects of every kind, so that additional and missing objects are detected. */
async function furnish(namespace: TestNamespace): Promise<void> {
  await namespace.run('sh', '-c', 'echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6');
  await namespace.ip('link', 'add', 'name', 'keep', 'index', '50', 'address', '02:00:00:00:00:50', 'type', 'bridge');
  await namespace.ip('link', 'set', 'keep', 'up');
  await namespace.ip('address', 'add', '10.50.0.1/24', 'dev', 'keep');
  await namespace.ip('address', 'add', '10.50.0.2/24', 'dev', 'keep');
  await namespace.ip('route', 'add', '10.51.0.0/16', 'via', '10.50.0.9');
  await namespace.ip('rule', 'add', 'priority', '500', 'fwmark', '5', 'lookup', '55');
  await namespace.ip('neigh', 'add', '10.50.0.9', 'lladdr', '02:00:00:00:00:09', 'dev', 'keep', 'nud', 'permanent');
}

function tenOperations(left: string, right: string): Operation[] {
  const peer = { name: 'in', index: 6002, netns: right };
  return [
    { op: 'link.add', netns: left, link: { kind: 'bridge', name: 'new', index: 6000, up: true } },
    {
      op: 'link.add',
      netns: left,
      link: { kind: 'veth', name: 'out', index: 6001, master: 6000, up: true, data: { peer } },
    },
    {
      op: 'link.set',
      netns: left,
      link: { index: 50 },
      changes: { mtu: 1300, group: 5 },
      undo: { mtu: 1500, group: 0 },
    },
    { op: 'address.add', netns: left, address: { index: 6000, address: '10.60.0.1/24' } },
    { op: 'link.set', netns: right, link: { index: 6002 }, changes: { up: true } },
    { op: 'address.add', netns: right, address: { index: 6002, address: '10.60.0.2/24' } },
    { op: 'route.add', netns: right, route: { destination: '10.61.0.0/16', gateway: '10.60.0.1', index: 6002 } },
    { op: 'rule.add', netns: right, rule: { priority: 700, mark: 7, table: 77 } },
    {
      op: 'neighbour.add',
      netns: left,
      neighbour: { index: 50, destination: '10.50.0.77', address: '02:00:00:00:00:77', state: 'permanent' },
    },
    // Cannot be undone: it must run only after all others succeeded.
    { op: 'address.delete', netns: left, address: { index: 50, address: '10.50.0.2/24' } },
  ];
}

describe.skipIf(!privileged)('transactions', () => {
  test('a failure at any position leaves both namespaces unchanged', async () => {
    await using stage = await openStage(2);
    const { kernel, namespaces, netns: left } = stage;
    const right = stage.other.name;
    await Promise.all(namespaces.map(furnish));
    const before = await Promise.all(namespaces.map(ipPicture));
    const operations = tenOperations(left, right);
    for (let position = 0; position < operations.length; ++position) {
      // A failure in the middle of a send, and one that is alone in its namespace.
      for (const netns of [left, right]) {
        const failing: Operation = { op: 'link.set', netns, link: { index: 999_999 }, changes: { up: true } };
        const error = await rejection(kernel.transaction(operations.toSpliced(position, 0, failing)));
        expect(error).toMatchObject({ name: 'KernelError', code: 'ENODEV', index: position, namespace: netns });
        expect(error).toMatchObject({ rollbackErrors: [] });
      }
      expect(await Promise.all(namespaces.map(ipPicture)), `after a failure at ${position}`).toEqual(before);
    }
    await kernel.transaction(operations);
    const after = (await json('ip', '-n', left, '-j', 'addr', 'show', 'dev', 'keep')) as { addr_info: unknown[] }[];
    expect(after[0]?.addr_info).toHaveLength(1);
  });

  test('changed settings are restored, rules and filters of others stay', async () => {
    await using stage = await openStage(2);
    const { kernel, netns, namespace, other } = stage;
    await furnish(namespace);
    await namespace.ip('link', 'add', 'port', 'index', '51', 'type', 'veth', 'peer', 'name', 'far', 'index', '52');
    await namespace.ip('link', 'set', 'port', 'master', 'keep', 'alias', 'of old', 'group', '9');
    await namespace.ip('link', 'set', 'port', 'type', 'bridge_slave', 'isolated', 'on', 'cost', '7');
    await namespace.run('nft', 'add table ip t; add chain ip t c; add rule ip t c counter comment "theirs"');
    const tc = (...args: string[]) => namespace.run('tc', ...args);
    const match = ['u32', 'match', 'u32', '0', '0', 'action', 'mirred', 'egress', 'redirect', 'dev', 'keep'];
    await tc('qdisc', 'add', 'dev', 'port', 'ingress');
    await tc('filter', 'add', 'dev', 'port', 'ingress', 'prio', '3', 'protocol', 'all', ...match);
    const sysctl = async (key: string) => (await namespace.run('cat', `/proc/sys/net/${key}`)).trim();
    const keys = ['ipv4/ip_forward', 'ipv4/conf/keep/rp_filter', 'ipv4/ip_local_port_range'];
    const picture = async () => ({
      ip: await ipPicture(namespace),
      sysctls: await Promise.all([...keys, 'ipv4/conf/port/arp_ignore'].map(sysctl)),
      nft: await namespace.run('nft', 'list', 'ruleset'),
      // u32 keeps the empty table of a priority without filters while other priorities have some.
      filters: (await tc('filter', 'show', 'dev', 'port', 'ingress')).replaceAll(/^filter .* pref 4 .*\n/gm, ''),
      other: await ipPicture(other),
    });
    const before = await picture();
    const counting: Expression[] = [{ expression: 'counter' }];
    const at = { family: 'ip', table: 't', chain: 'c', expressions: counting } as const;
    const actions = [{ kind: 'mirred', index: 50 } as const];
    const operations: Operation[] = [
      { op: 'link.set', netns, link: { name: 'port' }, changes: { alias: 'of new', txQueueLength: 77 } },
      { op: 'link.set', netns, link: { index: 51 }, changes: { master: 0, group: 0, mtu: 1400, name: 'renamed' } },
      { op: 'link.set', netns, link: { index: 50 }, changes: { up: false, address: '02:00:00:00:00:51' } },
      { op: 'link.set', netns, link: { index: 51 }, changes: { inet: { arpIgnore: 2 } } },
      { op: 'link.set', netns, link: { index: 52 }, changes: { netns: other.name, up: true } },
      { op: 'sysctl.set', netns, key: keys[0] as string, value: 1 },
      { op: 'sysctl.set', netns, key: keys[1] as string, value: 2 },
      { op: 'sysctl.set', netns, key: keys[2] as string, value: '1024 2048' },
      {
        op: 'nftables.batch',
        netns,
        commands: [
          { command: 'rule.add', ...at },
          { command: 'rule.insert', ...at },
        ],
      },
      { op: 'filter.add', netns, filter: { index: 51, kind: 'u32', priority: 3, data: { actions } } },
      { op: 'filter.add', netns, filter: { index: 51, kind: 'u32', priority: 4, data: { actions } } },
    ];
    // A port outside its bridge has no port options.
    const ofPort: Operation = { op: 'link.port', netns, index: 51, port: { isolated: false, cost: 9, guard: true } };
    const failing: Operation = { op: 'link.set', netns, link: { index: 999_999 }, changes: { up: true } };
    const error = await rejection(kernel.transaction([ofPort, ...operations, failing]));
    expect(error).toMatchObject({ code: 'ENODEV', index: operations.length + 1, rollbackErrors: [] });
    const after = await picture();
    // A port loses its options when it leaves the bridge; a link loses its routes and neighbours when it is down.
    expect(after.sysctls).toEqual(before.sysctls);
    expect({ ...after, ip: undefined }).toEqual({ ...before, ip: undefined });
    const links = async (all: { ip: unknown }) => (all.ip as { links: IpLink[] }).links;
    const kept = ({ ifname, ifindex, mtu, group, ifalias, master, address, txqlen, flags, link_netnsid }: IpLink) => ({
      ...{ ifname, ifindex, mtu, group, ifalias, master, address, txqlen, link_netnsid },
      up: flags.includes('UP'),
    });
    expect((await links(after)).map(kept)).toEqual((await links(before)).map(kept));

    const alone = await rejection(kernel.transaction([ofPort, failing]));
    expect(alone).toMatchObject({ code: 'ENODEV', rollbackErrors: [] });
    expect(await ipPicture(namespace)).toEqual(after.ip);
  });

  test('an error names the index that another link has', async () => {
    await using stage = await openStage(2);
    const { kernel, netns, namespace, other } = stage;
    for (const one of [namespace, other]) {
      await one.ip('link', 'add', 'theirs', 'index', '7001', 'type', 'bridge');
    }
    const before = await Promise.all([ipPicture(namespace), ipPicture(other)]);
    const peer = { name: 'in', netns: other.name };
    const refused: [Operation, number[]][] = [
      [{ op: 'link.add', netns, link: { kind: 'bridge', name: 'ours', index: 7001 } }, [7001]],
      [{ op: 'tap.add', netns, tap: { name: 'ours', index: 7001 } }, [7001]],
      [
        {
          op: 'link.add',
          netns,
          link: { kind: 'veth', name: 'o', index: 7002, data: { peer: { ...peer, index: 7001 } } },
        },
        [7001],
      ],
      [
        {
          op: 'link.add',
          netns,
          link: { kind: 'veth', name: 'o', index: 7001, data: { peer: { ...peer, index: 7001 } } },
        },
        [7001, 7001],
      ],
    ];
    for (const [operation, takenIndexes] of refused) {
      const error = await rejection(kernel.transaction([operation]));
      expect(error).toBeInstanceOf(LinkIndexTakenError);
      expect(error).toMatchObject({ index: 0, namespace: netns, takenIndexes, rollbackErrors: [] });
      expect((error as Error).message).toContain('the interface index 7001');
      expect(await Promise.all([ipPicture(namespace), ipPicture(other)])).toEqual(before);
    }
    const byName = kernel.transaction([
      { op: 'link.add', netns, link: { kind: 'bridge', name: 'theirs', index: 7005 } },
    ]);
    expect(await rejection(byName)).toMatchObject({ code: 'EEXIST', name: 'KernelError' });
  });

  test('elements that were deleted meanwhile do not prevent the roll-back of the others', async () => {
    await using stage = await openStage();
    const { kernel, netns } = stage;
    const at = { family: 'inet', table: 'shared' } as const;
    const sets = ['one', 'two'].map((name) => ({ command: 'set.add', ...at, name, keyType: 'ifname' }) as const);
    const table = { command: 'table.add', family: 'inet', name: 'shared' } as const;
    await kernel.transaction([{ op: 'nftables.batch', netns, commands: [table, ...sets] }]);
    const element = (set: string) => ({ ...at, set, keyType: 'ifname', elements: [{ key: 'eth0' }] });
    const commands = sets.map(({ name }) => ({ command: 'element.add', ...element(name), exclusive: true }) as const);
    const error = await rejection(
      kernel.transaction([
        { op: 'nftables.batch', netns, commands },
        { op: 'nftables.batch', netns, commands: [{ command: 'element.delete', ...element('two') }] },
        { op: 'link.delete', netns, link: { index: 9999 } },
      ]),
    );
    expect(error).toMatchObject({ code: 'ENODEV', index: 2, rollbackErrors: [] });
    expect(await stage.namespaces[0]?.run('nft', 'list', 'ruleset')).not.toContain('eth0');
  });

  test('an exclusive set is deleted with its elements', async () => {
    await using stage = await openStage();
    const { kernel, netns, namespace } = stage;
    const at = { family: 'inet', table: 'shared' } as const;
    const set = (name: string) => ({ command: 'set.add', ...at, name, keyType: 'mark' }) as const;
    const elements = [{ key: 7 }];
    const table = { command: 'table.add', family: 'inet', name: 'shared' } as const;
    await kernel.transaction([{ op: 'nftables.batch', netns, commands: [table, set('theirs')] }]);
    const before = await namespace.run('nft', 'list', 'ruleset');
    const commands = [
      set('theirs'),
      { ...set('ours'), exclusive: true },
      { command: 'element.add', ...at, set: 'ours', keyType: 'mark', elements, exclusive: true },
    ] as const;
    const error = await rejection(
      kernel.transaction([
        { op: 'nftables.batch', netns, commands: [...commands] },
        { op: 'link.delete', netns, link: { index: 9999 } },
      ]),
    );
    expect(error).toMatchObject({ code: 'ENODEV', index: 1, rollbackErrors: [] });
    expect(await namespace.run('nft', 'list', 'ruleset')).toBe(before);
    const again: Operation = { op: 'nftables.batch', netns, commands: [{ ...set('theirs'), exclusive: true }] };
    expect(await rejection(kernel.transaction([again]))).toMatchObject({ code: 'EEXIST' });
  });

  test('completed operations stay without roll-back', async () => {
    await using stage = await openStage();
    const { kernel, netns, namespace } = stage;
    const error = await rejection(
      kernel.transaction(
        [
          { op: 'link.add', netns, link: { kind: 'bridge', name: 'stays' } },
          { op: 'link.delete', netns, link: { name: 'none' } },
          { op: 'tap.add', netns, tap: { name: 'never' } },
        ],
        { rollback: false },
      ),
    );
    expect(error).toMatchObject({ code: 'ENODEV', index: 1 });
    const names = ((await json('ip', '-n', namespace.name, '-j', 'link')) as { ifname: string }[]).map((l) => l.ifname);
    expect(names).toEqual(['lo', 'stays']);
  });

  test('a link in another namespace is deleted, and a namespace is unpinned', async () => {
    await using stage = await openStage(2);
    const { kernel, netns, other } = stage;
    const before = await ipPicture(other);
    const name = `${netns}-made`;
    const error = await rejection(
      kernel.transaction([
        { op: 'namespace.add', name },
        { op: 'link.add', netns, link: { kind: 'bridge', name: 'elsewhere', netns: other.name } },
        { op: 'link.add', netns, link: { kind: 'veth', name: 'a', data: { peer: { name: 'b', netns: name } } } },
        { op: 'tap.add', netns: name, tap: { name: 'tap0' } },
        { op: 'sysctl.set', netns: name, key: 'ipv4/no_such_thing', value: 1 },
      ]),
    );
    expect(error).toMatchObject({ code: 'ENOENT', index: 4, operation: 'set net/ipv4/no_such_thing to 1' });
    expect(await ipPicture(other)).toEqual(before);
    expect((await json<{ name: string }[]>('ip', '-j', 'netns')).some((pinned) => pinned.name === name)).toBe(false);
  });

  test('a moved link returns with its settings from a namespace that is deleted', async () => {
    await using stage = await openStage();
    const { kernel, netns, namespace } = stage;
    const name = `${netns}-new`;
    await namespace.ip('link', 'add', 'old', 'index', '70', 'type', 'veth', 'peer', 'name', 'far', 'index', '71');
    const before = await ipPicture(namespace);
    const error = await rejection(
      kernel.transaction([
        { op: 'namespace.add', name },
        { op: 'link.set', netns, link: { index: 70 }, changes: { netns: name } },
        { op: 'link.set', netns: name, link: { index: 1 }, changes: { up: true } },
        { op: 'link.set', netns: name, link: { index: 70 }, changes: { name: 'renamed', mtu: 1400 } },
        { op: 'link.set', netns: name, link: { index: 999_999 }, changes: { up: true } },
      ]),
    );
    expect(error).toMatchObject({ code: 'ENODEV', index: 4, rollbackErrors: [] });
    expect(await ipPicture(namespace)).toEqual(before);
    expect(await kernel.query('namespace.list')).not.toContainEqual(expect.objectContaining({ name }));
  });

  test('a moved link is back in its bridge with its options and up, and the other namespace is unchanged', async () => {
    await using stage = await openStage(2);
    const { kernel, netns, namespace, other } = stage;
    await namespace.ip('link', 'add', 'name', 'bridge0', 'index', '69', 'type', 'bridge');
    await namespace.ip('link', 'add', 'port', 'index', '70', 'type', 'veth', 'peer', 'name', 'far', 'index', '71');
    await namespace.ip('link', 'set', 'port', 'master', 'bridge0', 'up', 'group', '9', 'mtu', '1450');
    await namespace.ip('link', 'set', 'port', 'type', 'bridge_slave', 'isolated', 'on', 'learning', 'off', 'cost', '7');
    await namespace.run('sh', '-c', 'echo 2 > /proc/sys/net/ipv4/conf/port/rp_filter');
    // The index is in use there.
    await other.ip('link', 'add', 'name', 'bystander', 'index', '70', 'type', 'bridge');
    const links = async () => {
      const all = (await json('ip', '-n', netns, '-d', '-j', 'link')) as IpLink[];
      return all.map(({ ifname, ifindex, mtu, group, master, flags, linkinfo }) => {
        const { isolated, learning, cost } = linkinfo?.info_slave_data ?? {};
        return { ifname, ifindex, mtu, group, master, up: flags.includes('UP'), isolated, learning, cost };
      });
    };
    const before = await links();
    const elsewhere = await ipPicture(other);
    const failing: Operation = { op: 'link.set', netns, link: { index: 999_999 }, changes: { up: true } };
    const ways: Operation[] = [
      { op: 'link.set', netns, link: { index: 70 }, changes: { netns: other.name } },
      { op: 'link.set', netns, link: { index: 70 }, changes: { netns: other.name, name: 'renamed', mtu: 1400 } },
      { op: 'link.set', netns, link: { index: 70 }, changes: { netns: other.name, mtu: 1400 }, undo: { mtu: 1450 } },
    ];
    for (const way of ways) {
      const error = await rejection(kernel.transaction([way, failing]));
      expect(error).toMatchObject({ code: 'ENODEV', index: 1, rollbackErrors: [] });
      expect(await links()).toEqual(before);
      expect(await ipPicture(other)).toEqual(elsewhere);
      expect((await namespace.run('cat', '/proc/sys/net/ipv4/conf/port/rp_filter')).trim()).toBe('2');
    }
    // A link that the transaction created is deleted in the namespace that it was moved to.
    const peer = { peer: { name: 'with', index: 81 } };
    const made: Operation = { op: 'link.add', netns, link: { kind: 'veth', name: 'made', index: 80, data: peer } };
    const moved: Operation = { op: 'link.set', netns, link: { index: 80 }, changes: { netns: other.name } };
    expect(await rejection(kernel.transaction([made, moved, failing]))).toMatchObject({ index: 2, rollbackErrors: [] });
    expect(await links()).toEqual(before);
    expect(await ipPicture(other)).toEqual(elsewhere);
    await kernel.transaction([ways[0] as Operation]);
    expect((await links()).some(({ ifname }) => ifname === 'port')).toBe(false);
  });

  test('an invalid undo operation is rejected before anything is done', async () => {
    await using stage = await openStage();
    const { kernel, netns, namespace } = stage;
    const before = await ipPicture(namespace);
    const made: Operation = { op: 'link.add', netns, link: { kind: 'bridge', name: 'br', index: 80 } };
    const failing: Operation = { op: 'link.set', netns, link: { index: 999_999 }, changes: { up: true } };
    for (const [undo, field] of [
      [{ mtu: 'large' }, 'mtu'],
      [{ colour: 'red' }, 'colour'],
      [{ inet: { rpFilter: -1 } }, 'inet.rpFilter'],
      [7, undefined],
    ] as const) {
      const set = { op: 'link.set', netns, link: { index: 80 }, changes: { mtu: 1400 }, undo } as unknown as Operation;
      for (const operations of [
        [made, set, failing],
        [made, set],
      ]) {
        const error = await rejection(kernel.transaction(operations));
        const path = ['operations[1].undo', field].filter(Boolean).join('.');
        expect(error).toMatchObject({ name: 'ValidationError', field: path });
        expect(await ipPicture(namespace)).toEqual(before);
      }
    }
    const good: Operation = { op: 'link.set', netns, link: { index: 80 }, changes: { mtu: 1400 }, undo: { mtu: 1500 } };
    expect(await rejection(kernel.transaction([made, good, failing]))).toMatchObject({ index: 2, rollbackErrors: [] });
    expect(await ipPicture(namespace)).toEqual(before);
  });

  test('nothing is done if the signal was aborted before', async () => {
    await using stage = await openStage();
    const { kernel, netns } = stage;
    const before = await ipPicture(stage.namespace);
    const reason = new Error('not wanted any more');
    const operation: Operation = { op: 'link.add', netns, link: { kind: 'bridge', name: 'br' } };
    expect(await rejection(kernel.transaction([operation], { signal: AbortSignal.abort(reason) }))).toBe(reason);
    expect(await ipPicture(stage.namespace)).toEqual(before);
  });

  test('a neighbour entry that replaced another is deleted on request, and stays otherwise', async () => {
    await using stage = await openStage();
    const { kernel, namespace, netns } = stage;
    await furnish(namespace);
    const entry = async () => namespace.ip('neigh', 'show', '10.50.0.9', 'dev', 'keep');
    const neighbour = { index: 50, destination: '10.50.0.9', address: '02:00:00:00:00:aa' } as const;
    const replace = { op: 'neighbour.add', netns, neighbour, mode: 'replace' } as const;
    const fails: Operation = { op: 'link.set', netns, link: { name: 'missing' }, changes: { up: true } };
    await rejection(kernel.transaction([replace, fails]));
    expect(await entry()).toContain('02:00:00:00:00:aa');
    await rejection(kernel.transaction([{ ...replace, undo: 'delete' }, fails]));
    expect(await entry()).toBe('');
  });

  test('a transaction that is aborted midway is undone', async () => {
    await using stage = await openStage(2);
    const { kernel, namespaces, netns, other } = stage;
    const before = await Promise.all(namespaces.map(ipPicture));
    const monitor = stage.namespace.spawn('ip', ['monitor', 'rule'], { stdio: ['ignore', 'pipe', 'inherit'] });
    let heard = '';
    monitor.stdout?.on('data', (data: Buffer) => {
      heard += data.toString();
    });
    try {
      // `ip monitor` is ready after its first event.
      await eventually(async () => {
        await stage.namespace.ip('rule', 'add', 'priority', '9');
        await stage.namespace.ip('rule', 'del', 'priority', '9');
        return heard.length > 0;
      });
      const operations = Array.from(
        { length: 4000 },
        (_, n): Operation => ({
          op: 'rule.add',
          netns: n % 2 === 0 ? netns : other.name,
          rule: { priority: 10_000 + n, mark: n + 1, table: 99 },
        }),
      );
      const controller = new AbortController();
      heard = '';
      const promise = rejection(kernel.transaction(operations, { signal: controller.signal }));
      await eventually(() => heard.includes('10000:'));
      controller.abort();
      expect(await promise).toMatchObject({ name: 'AbortError' });
      expect(await Promise.all(namespaces.map(ipPicture))).toEqual(before);
      await eventually(() => /^Deleted.*10000:/m.test(heard));
    } finally {
      monitor.kill();
      await once(monitor, 'exit');
    }
  });

  test('waiting transactions of hundreds that are aborted reject at once and never start', async () => {
    await using stage = await openStage();
    const { kernel, netns } = stage;
    const controller = new AbortController();
    let refused = 0;
    let done = 0;
    const transactions = Array.from({ length: 600 }, (_, n) => {
      const link = { kind: 'bridge', name: `br${n}` } as const;
      return kernel.transaction([{ op: 'link.add', netns, link }], { signal: controller.signal });
    });
    const ended = transactions.map((each) =>
      each.then(
        () => done++,
        (error: Error) => {
          expect(error.message).toBe('enough');
          refused++;
        },
      ),
    );
    await Promise.any(transactions);
    controller.abort(new Error('enough'));
    // Without a turn of the event loop, during which a permit could be released.
    for (let step = 0; step < 20; step++) await undefined;
    expect(refused).toBeGreaterThan(300);
    await Promise.all(ended);
    const links = await json<IpLink[]>('ip', '-n', stage.namespace.name, '-j', 'link');
    expect(links.filter(({ ifname }) => ifname.startsWith('br'))).toHaveLength(done);
  });

  test('an abort after the end changes nothing', async () => {
    await using stage = await openStage();
    const { kernel, netns } = stage;
    const controller = new AbortController();
    await kernel.transaction([{ op: 'tap.add', netns, tap: { name: 'tap0' } }], { signal: controller.signal });
    controller.abort();
    await sleep(20);
    expect(await kernel.query('link.get', { netns, link: { name: 'tap0' } })).toMatchObject({ name: 'tap0' });
  });

  test('a teardown runs all steps, accepts missing objects, and reports other errors', async () => {
    await using stage = await openStage(2);
    const { kernel, netns, other } = stage;
    await kernel.transaction([
      { op: 'link.add', netns, link: { kind: 'bridge', name: 'a', index: 6000 } },
      { op: 'link.add', netns: other.name, link: { kind: 'bridge', name: 'b', index: 6001 } },
    ]);
    const errors = await kernel.teardown([
      { op: 'link.delete', netns, link: { name: 'gone' } },
      { op: 'link.delete', netns, link: { name: 'lo' } },
      { op: 'address.delete', netns, address: { index: 6000, address: '10.0.0.1/8' } },
      { op: 'route.delete', netns, route: { destination: '10.0.0.0/8', index: 6000 } },
      { op: 'rule.delete', netns, rule: { priority: 5 } },
      { op: 'neighbour.delete', netns, neighbour: { index: 6000, destination: '10.0.0.9' } },
      { op: 'link.delete', netns, link: { index: 6000 } },
      { op: 'link.delete', netns: 'vwt-no-such-namespace', link: { index: 6000 } },
      { op: 'link.delete', netns: other.name, link: { index: 6001 } },
      { op: 'namespace.delete', name: 'vwt-no-such-namespace' },
    ]);
    expect(errors.map(({ index, code }) => [index, code])).toEqual([[1, 'ENOTSUP']]);
    for (const name of [netns, other.name]) {
      expect(((await json('ip', '-n', name, '-j', 'link')) as unknown[]).length).toBe(1);
    }
  });
});
