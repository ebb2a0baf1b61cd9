import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Kernel, type Operation, openKernel } from '../../src/kernel/index.js';
import { json, privileged, TestNamespace } from '../support/namespaces.js';

describe.skipIf(!privileged)('kernel.ensure', () => {
  let kernel: Kernel;

  beforeAll(() => {
    kernel = openKernel();
  });

  afterAll(() => kernel.close());

  function wish(netns: string): Operation[] {
    const index = 0x5000_0001;
    return [
      { op: 'sysctl.set', netns, key: 'ipv4/ip_forward', value: 1 },
      { op: 'link.add', netns, link: { kind: 'bridge', name: 'br0', index, address: '02:00:00:00:00:01' } },
      { op: 'link.set', netns, link: { index }, changes: { up: true, mtu: 1400, alias: 'ours' } },
      { op: 'link.add', netns, link: { kind: 'veth', name: 'port', master: index, data: { peer: { name: 'other' } } } },
      { op: 'address.add', netns, address: { index, address: '192.0.2.1/24' } },
      { op: 'route.add', netns, route: { destination: '198.51.100.0/24', gateway: '192.0.2.2', index } },
      { op: 'rule.add', netns, rule: { priority: 100, mark: 7, table: 7 } },
    ];
  }

  const state = async (netns: string) => ({
    links: await json('ip', '-n', netns, '-d', '-j', 'link'),
    addresses: await json('ip', '-n', netns, '-j', 'address'),
    routes: await json('ip', '-n', netns, '-j', 'route'),
    rules: await json('ip', '-n', netns, '-j', 'rule'),
  });

  it('does everything once, and nothing a hundred times after', async () => {
    await using namespace = await TestNamespace.create('ensure');
    // Duplicate address detection would change what ip shows meanwhile.
    await namespace.run('sysctl', '-qw', 'net.ipv6.conf.default.disable_ipv6=1');
    const operations = wish(namespace.name);
    expect(await kernel.ensure(operations)).toEqual(operations);
    await namespace.ip('link', 'set', 'port', 'up');
    // So would the kernel's link watch, which notices only after a moment that the bridge has no carrier.
    const bridge = () => json<{ operstate: string }[]>('ip', '-n', namespace.name, '-j', 'link', 'show', 'br0');
    await expect.poll(async () => (await bridge())[0]?.operstate).toBe('DOWN');
    const before = JSON.stringify(await state(namespace.name), (key, value) => (key.endsWith('_timer') ? 0 : value));
    for (let round = 0; round < 100; round++) expect(await kernel.ensure(operations)).toEqual([]);
    const after = JSON.stringify(await state(namespace.name), (key, value) => (key.endsWith('_timer') ? 0 : value));
    expect(after).toBe(before);
  });

  it.each([
    ['an MTU', ['link', 'set', 'br0', 'mtu', '1300'], 'link.set'],
    ['a link that is down', ['link', 'set', 'br0', 'down'], 'link.set'],
    ['a port that was taken out', ['link', 'set', 'port', 'nomaster'], 'link.set'],
    ['an address', ['address', 'del', '192.0.2.1/24', 'dev', 'br0'], 'address.add'],
    ['a rule', ['rule', 'del', 'priority', '100'], 'rule.add'],
  ])('mends %s, and only that', async (_what, change, op) => {
    await using namespace = await TestNamespace.create('ensure');
    const operations = wish(namespace.name);
    await kernel.ensure(operations);
    await namespace.ip(...change);
    const done = await kernel.ensure(operations);
    expect(done.map((operation) => operation.op)).toContain(op);
    // A route goes with its address or its link.
    expect(done.length).toBeLessThanOrEqual(2);
    expect(await kernel.ensure(operations)).toEqual([]);
  });
});
