import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import { KernelError } from '../../../src/errors.js';
import type { LinkSpec, Operation } from '../../../src/kernel/index.js';
import { ipLink, ipLinks, openStage, rejection } from '../../support/kernel.js';
import { eventually, json, privileged } from '../../support/namespaces.js';

const mac = '02:00:00:bd:cd:9b';

describe.skipIf(!privileged)('links', () => {
  test('a bridge with every option is shown by ip and listed', async () => {
    await using stage = await openStage();
    const { kernel, netns } = stage;
    const data = {
      stp: true,
      forwardDelay: 4.5,
      helloTime: 3,
      maxAge: 18,
      ageingTime: 77,
      priority: 4096,
      groupForwardMask: 8,
      multicastSnooping: false,
      multicastRouter: 2,
      multicastQuerier: true,
      nfCallIptables: true,
      nfCallIp6tables: true,
      nfCallArptables: true,
    };
    const link: LinkSpec = { kind: 'bridge', name: 'br', index: 5000, mtu: 1400, address: mac, up: true, data };
    await kernel.transaction([{ op: 'link.add', netns, link }]);

    const shown = await ipLink(stage.namespace, 'br');
    expect(shown).toMatchObject({ ifindex: 5000, mtu: 1400, address: mac });
    expect(shown.flags).toContain('UP');
    expect(shown.linkinfo).toMatchObject({
      info_kind: 'bridge',
      info_data: {
        stp_state: 1,
        forward_delay: 450,
        hello_time: 300,
        max_age: 1800,
        ageing_time: 7700,
        priority: 4096,
        group_fwd_mask: '0x8',
        mcast_snooping: 0,
        mcast_router: 2,
        mcast_querier: 1,
        nf_call_iptables: 1,
        nf_call_ip6tables: 1,
        nf_call_arptables: 1,
      },
    });
    const listed = await kernel.query('link.get', { netns, link: { name: 'br' } });
    expect(listed).toMatchObject({ index: 5000, name: 'br', kind: 'bridge', mtu: 1400, address: mac, up: true, data });
  });

  test('VLAN filtering of a bridge, or an error where the kernel lacks it', async () => {
    await using stage = await openStage();
    const { kernel, netns, namespace } = stage;
    const made = await namespace.attempt(
      'ip',
      'link',
      'add',
      'name',
      'theirs',
      'type',
      'bridge',
      'vlan_filtering',
      '1',
    );
    const link: LinkSpec = { kind: 'bridge', name: 'ours', data: { vlanFiltering: true } };
    const error = await rejection(kernel.transaction([{ op: 'link.add', netns, link }]));
    if (made.exitCode === 0) {
      expect(error).toBeUndefined();
      expect((await ipLink(namespace, 'ours')).linkinfo?.info_data).toMatchObject({ vlan_filtering: 1 });
    } else {
      expect(made.stderr).toMatch(/not supported/);
      expect(error).toMatchObject({ name: 'KernelError', code: 'ENOTSUP', operation: 'create bridge ours' });
    }
  });

  test('a port of a bridge accepts every option, at creation or later', async () => {
    await using stage = await openStage();
    const { kernel, netns } = stage;
    const port = {
      priority: 7,
      cost: 42,
      hairpin: true,
      guard: true,
      learning: false,
      flood: false,
      multicastFlood: false,
      broadcastFlood: false,
      neighbourSuppression: true,
      isolated: true,
    } as const;
    await kernel.transaction([
      { op: 'link.add', netns, link: { kind: 'bridge', name: 'br', index: 5000, up: true } },
      {
        op: 'link.add',
        netns,
        link: { kind: 'veth', name: 'a', index: 5001, master: 5000, up: true, data: { peer: { name: 'b' } } },
      },
      { op: 'link.port', netns, index: 5001, port },
    ]);
    const shown = await ipLink(stage.namespace, 'a');
    expect(shown.master).toBe('br');
    expect(shown.linkinfo?.info_slave_data).toMatchObject({
      priority: 7,
      cost: 42,
      hairpin: true,
      guard: true,
      learning: false,
      flood: false,
      mcast_flood: false,
      bcast_flood: false,
      neigh_suppress: true,
      isolated: true,
    });
    const [bridge] = await json<Record<string, unknown>[]>(
      'bridge',
      '-n',
      netns,
      '-d',
      '-j',
      'link',
      'show',
      'dev',
      'a',
    );
    expect(bridge).toMatchObject({
      master: 'br',
      cost: 42,
      priority: 7,
      isolated: true,
      learning: false,
      hairpin: true,
    });
    expect(await kernel.query('link.get', { netns, link: { index: 5001 } })).toMatchObject({
      master: 5000,
      portKind: 'bridge',
      port,
    });

    await kernel.transaction([{ op: 'link.port', netns, index: 5001, port: { isolated: false, flood: true } }]);
    expect((await ipLink(stage.namespace, 'a')).linkinfo?.info_slave_data).toMatchObject({
      isolated: false,
      flood: true,
      cost: 42,
    });

    await kernel.transaction([{ op: 'link.set', netns, link: { index: 5001 }, changes: { master: 0 } }]);
    expect((await ipLink(stage.namespace, 'a')).master).toBeUndefined();
  });

  test('a port is disabled and enabled', async () => {
    await using stage = await openStage();
    const { kernel, netns } = stage;
    const veth: LinkSpec = {
      kind: 'veth',
      name: 'a',
      index: 5001,
      master: 5000,
      up: true,
      data: { peer: { name: 'b', index: 5002 } },
    };
    await kernel.transaction([
      { op: 'link.add', netns, link: { kind: 'bridge', name: 'br', index: 5000, up: true } },
      { op: 'link.add', netns, link: veth },
      { op: 'link.set', netns, link: { index: 5002 }, changes: { up: true } },
    ]);
    const state = async () => (await ipLink(stage.namespace, 'a')).linkinfo?.info_slave_data?.state;
    // The bridge itself sets the state when the carrier changes, which may happen in between.
    await eventually(async () => {
      await kernel.transaction([{ op: 'link.port', netns, index: 5001, port: { state: 'disabled' } }]);
      return (await state()) === 'disabled';
    });
    expect((await kernel.query('link.get', { netns, link: { index: 5001 } })).port?.state).toBe('disabled');
    await kernel.transaction([{ op: 'link.port', netns, index: 5001, port: { state: 'forwarding' } }]);
    expect(await state()).toBe('forwarding');
  });

  test.each([
    ['IPv4', { local: '192.0.2.1', remote: '192.0.2.2' }, { local: '192.0.2.1', remote: '192.0.2.2' }],
    ['IPv6', { local: '2001:db8::1', remote: '2001:db8::2' }, { local6: '2001:db8::1', remote6: '2001:db8::2' }],
    ['a multicast group', { remote: '239.1.1.1', link: 5000 }, { group: '239.1.1.1', link: 'under' }],
    ['an IPv6 multicast group', { remote: 'ff05::1', link: 5000 }, { group6: 'ff05::1', link: 'under' }],
  ])('a VXLAN link over %s with every option', async (_, underlay, expected) => {
    await using stage = await openStage();
    const { kernel, netns } = stage;
    const data = {
      id: 0xe2300f,
      ...underlay,
      port: 4789,
      portRange: { low: 40000, high: 41000 },
      learning: false,
      ttl: 9,
      tos: 4,
      ageing: 123,
      limit: 77,
      df: 'set',
      udpChecksum: true,
      udp6ZeroChecksumTx: true,
      udp6ZeroChecksumRx: true,
      proxy: true,
    } as const;
    await kernel.transaction([
      { op: 'link.add', netns, link: { kind: 'bridge', name: 'under', index: 5000, up: true } },
      { op: 'link.add', netns, link: { kind: 'vxlan', name: 'vxlan-e2300f', index: 5001, mtu: 1400, data } },
    ]);
    const shown = await ipLink(stage.namespace, 'vxlan-e2300f');
    expect(shown).toMatchObject({ ifindex: 5001, mtu: 1400 });
    expect(shown.linkinfo).toMatchObject({
      info_kind: 'vxlan',
      info_data: {
        id: 0xe2300f,
        ...expected,
        port: 4789,
        port_range: { low: 40000, high: 41000 },
        learning: false,
        ttl: 9,
        tos: '0x4',
        ageing: 123,
        limit: 77,
        df: 'set',
        udp_csum: true,
        udp_zero_csum6_tx: true,
        udp_zero_csum6_rx: true,
        proxy: true,
      },
    });
    expect((await kernel.query('link.get', { netns, link: { index: 5001 } })).data).toMatchObject(data);
  });

  test('a veth and its peer have the options of each', async () => {
    await using stage = await openStage(2);
    const { kernel, netns, other } = stage;
    await kernel.transaction([
      { op: 'link.add', netns, link: { kind: 'bridge', name: 'br', index: 6000, up: true } },
      {
        op: 'link.add',
        netns,
        link: {
          kind: 'veth',
          name: 'veth-e2300f-o',
          index: 6001,
          mtu: 8900,
          address: mac,
          master: 6000,
          group: 77,
          up: true,
          txQueueLength: 55,
          txQueues: 3,
          rxQueues: 2,
          data: {
            peer: {
              name: 'veth-e2300f-i',
              index: 6002,
              mtu: 8901,
              address: '02:00:00:00:00:07',
              group: 78,
              txQueueLength: 66,
              txQueues: 2,
              rxQueues: 3,
              netns: other.name,
            },
          },
        },
      },
      { op: 'link.set', netns: other.name, link: { index: 6002 }, changes: { up: true } },
    ]);
    const outer = await ipLink(stage.namespace, 'veth-e2300f-o');
    expect(outer).toMatchObject({
      ifindex: 6001,
      link_index: 6002,
      mtu: 8900,
      address: mac,
      group: '77',
      master: 'br',
      txqlen: 55,
      num_tx_queues: 3,
      num_rx_queues: 2,
      operstate: 'UP',
    });
    expect(await ipLink(other, 'veth-e2300f-i')).toMatchObject({
      ifindex: 6002,
      link_index: 6001,
      mtu: 8901,
      address: '02:00:00:00:00:07',
      group: '78',
      txqlen: 66,
      num_tx_queues: 2,
      num_rx_queues: 3,
    });
    expect(await kernel.query('link.get', { netns, link: { index: 6001 } })).toMatchObject({
      kind: 'veth',
      link: 6002,
      linkNamespaceId: outer.link_netnsid,
      master: 6000,
      group: 77,
      txQueueLength: 55,
      txQueues: 3,
      rxQueues: 2,
      operationalState: 'up',
      carrier: true,
    });
  });

  test('a peer is created in a namespace given by name, path or pid; a link itself as well', async () => {
    await using stage = await openStage(2);
    const { kernel, netns, other } = stage;
    const sleeper = spawn('ip', ['netns', 'exec', other.name, 'sleep', '60'], { stdio: 'ignore' });
    await once(sleeper, 'spawn');
    try {
      // `ip netns exec` enters before it becomes the program.
      const pids = async () => (await json<unknown>('sh', '-c', `ip netns pids ${other.name} | jq -s .`)) as number[];
      while (!(await pids()).includes(sleeper.pid as number));
      const references = [other.name, other.path, `/var/run/netns/${other.name}`, sleeper.pid as number];
      await kernel.transaction(
        references.flatMap((reference, position): Operation[] => [
          {
            op: 'link.add',
            netns,
            link: { kind: 'veth', name: `a${position}`, data: { peer: { name: `b${position}`, netns: reference } } },
          },
          { op: 'link.add', netns, link: { kind: 'bridge', name: `c${position}`, netns: reference } },
        ]),
      );
    } finally {
      sleeper.kill('SIGKILL');
    }
    const names = (await ipLinks(other)).map(({ ifname }) => ifname);
    expect(names.sort()).toEqual(['b0', 'b1', 'b2', 'b3', 'c0', 'c1', 'c2', 'c3', 'lo']);
  });

  test('a link is moved, renamed and identified afterwards', async () => {
    await using stage = await openStage(2);
    const { kernel, netns, other } = stage;
    await kernel.transaction([
      { op: 'link.add', netns, link: { kind: 'veth', name: 'a', index: 6001, data: { peer: { name: 'b' } } } },
      { op: 'link.set', netns, link: { name: 'b' }, changes: { netns: other.path, mtu: 1300 } },
      {
        op: 'link.set',
        netns,
        link: { index: 6001 },
        changes: {
          name: 'renamed',
          mtu: 1301,
          address: mac,
          group: 9,
          txQueueLength: 12,
          alias: 'Größe: a text with spaces',
          up: true,
        },
      },
    ]);
    expect(await ipLink(other, 'b')).toMatchObject({ mtu: 1300 });
    expect(await ipLink(stage.namespace, 'renamed')).toMatchObject({
      ifindex: 6001,
      mtu: 1301,
      address: mac,
      group: '9',
      txqlen: 12,
      ifalias: 'Größe: a text with spaces',
    });
    expect(await kernel.query('link.get', { netns, link: { name: 'renamed' } })).toMatchObject({
      alias: 'Größe: a text with spaces',
    });
    await kernel.transaction([{ op: 'link.set', netns, link: { name: 'renamed' }, changes: { up: false } }]);
    expect((await ipLink(stage.namespace, 'renamed')).flags).not.toContain('UP');
  });

  test('settings of a device are shown by sysctl', async () => {
    await using stage = await openStage();
    const { kernel, netns } = stage;
    const files = {
      forwarding: 'forwarding',
      rpFilter: 'rp_filter',
      arpIgnore: 'arp_ignore',
      arpAnnounce: 'arp_announce',
      arpNotify: 'arp_notify',
      arpAccept: 'arp_accept',
      arpFilter: 'arp_filter',
      proxyArp: 'proxy_arp',
      acceptLocal: 'accept_local',
      routeLocalnet: 'route_localnet',
      sendRedirects: 'send_redirects',
      acceptRedirects: 'accept_redirects',
    };
    const read = async () => {
      const values = Object.entries(files).map(async ([setting, file]) => [
        setting,
        Number(await stage.namespace.run('cat', `/proc/sys/net/ipv4/conf/br/${file}`)),
      ]);
      return Object.fromEntries(await Promise.all(values)) as Record<string, number>;
    };
    await kernel.transaction([{ op: 'link.add', netns, link: { kind: 'bridge', name: 'br', index: 7000 } }]);
    const before = await read();
    const wanted = Object.fromEntries(Object.entries(before).map(([setting, value]) => [setting, value === 0 ? 1 : 0]));
    await kernel.transaction([
      { op: 'link.set', netns, link: { index: 7000 }, changes: { inet: wanted, inet6: { addressGeneration: 'none' } } },
    ]);
    expect(await read()).toEqual(wanted);
    expect(await ipLink(stage.namespace, 'br')).toMatchObject({ inet6_addr_gen_mode: 'none' });
    expect(await kernel.query('link.get', { netns, link: { index: 7000 } })).toMatchObject({
      inet6: { addressGeneration: 'none' },
    });
  });

  test('links are deleted by index, by name and by group', async () => {
    await using stage = await openStage();
    const { kernel, netns } = stage;
    const veths = Array.from(
      { length: 8 },
      (_, n): Operation => ({
        op: 'link.add',
        netns,
        link: {
          kind: 'veth',
          name: `a${n}`,
          index: 7100 + n,
          group: n < 5 ? 0x76777400 : 3,
          data: { peer: { name: `b${n}` } },
        },
      }),
    );
    await kernel.transaction(veths);
    await kernel.transaction([{ op: 'link.delete', netns, link: { group: 0x76777400 } }]);
    const names = async () => (await ipLinks(stage.namespace)).map(({ ifname }) => ifname).sort();
    expect(await names()).toEqual(['a5', 'a6', 'a7', 'b5', 'b6', 'b7', 'lo']);
    await kernel.transaction([
      { op: 'link.delete', netns, link: { index: 7105 } },
      { op: 'link.delete', netns, link: { name: 'a6' } },
      { op: 'link.delete', netns, link: { name: 'b7' } },
    ]);
    expect(await names()).toEqual(['lo']);
    expect(await rejection(kernel.transaction([{ op: 'link.delete', netns, link: { group: 0 } }]))).toMatchObject({
      name: 'ValidationError',
      field: 'operations[0].link.group',
    });
  });

  test('links of other tools are listed as these show them', async () => {
    await using stage = await openStage();
    const { kernel, namespace } = stage;
    await namespace.ip('link', 'add', 'name', 'br', 'type', 'bridge', 'forward_delay', '400', 'stp_state', '1');
    await namespace.ip('link', 'add', 'va', 'type', 'veth', 'peer', 'name', 'vb');
    await namespace.ip('link', 'set', 'va', 'master', 'br', 'up', 'mtu', '1234', 'group', '5', 'alias', 'hello there');
    await namespace.ip('link', 'add', 'vx', 'type', 'vxlan', 'id', '99', 'local', '127.0.0.1', 'dstport', '4789');
    await namespace.ip('tuntap', 'add', 'tap0', 'mode', 'tap');
    const shown = await ipLinks(namespace);
    const listed = await kernel.query('link.list', { netns: namespace.name });
    const names = new Map(shown.map(({ ifindex, ifname }) => [ifindex, ifname]));
    const states: Record<string, string> = { 'not-present': 'NOTPRESENT', 'lower-layer-down': 'LOWERLAYERDOWN' };
    const asShown = listed.map((link) => ({
      ifindex: link.index,
      ifname: link.name,
      mtu: link.mtu,
      address: link.address,
      group: link.group === 0 ? 'default' : String(link.group),
      txqlen: link.txQueueLength,
      num_tx_queues: link.txQueues,
      num_rx_queues: link.rxQueues,
      master: link.master === undefined ? undefined : names.get(link.master),
      ifalias: link.alias,
      operstate: states[link.operationalState ?? ''] ?? link.operationalState?.toUpperCase(),
      up: link.up,
      info_kind: link.kind,
      info_slave_kind: link.portKind,
    }));
    expect(asShown).toEqual(
      shown.map((link) => ({
        ifindex: link.ifindex,
        ifname: link.ifname,
        mtu: link.mtu,
        address: link.address,
        group: link.group,
        txqlen: link.txqlen,
        num_tx_queues: link.num_tx_queues,
        num_rx_queues: link.num_rx_queues,
        master: link.master,
        ifalias: link.ifalias,
        operstate: link.operstate,
        up: link.flags.includes('UP'),
        info_kind: link.linkinfo?.info_kind,
        info_slave_kind: link.linkinfo?.info_slave_kind,
      })),
    );
    const unknown = listed.flatMap((link) =>
      [link, link.data ?? {}, link.port ?? {}].flatMap((part) =>
        Object.keys(part).filter((key) => /^attribute/.test(key)),
      ),
    );
    // All attributes of kinds that vethwork can create have names, except those that are only reported.
    expect(listed.find(({ name }) => name === 'br')?.data).toMatchObject({ forwardDelay: 4, stp: true });
    expect(unknown.every((key) => /^attribute\d+$/.test(key))).toBe(true);
  });

  test('errors name the operation, the namespace and the message of the kernel', async () => {
    await using stage = await openStage();
    const { kernel, netns } = stage;
    await kernel.transaction([{ op: 'link.add', netns, link: { kind: 'bridge', name: 'br', index: 5000 } }]);
    const taken = await rejection(
      kernel.transaction([{ op: 'link.add', netns, link: { kind: 'bridge', name: 'br' } }]),
    );
    expect(taken).toBeInstanceOf(KernelError);
    expect(taken).toMatchObject({
      code: 'EEXIST',
      errno: 17,
      operation: 'create bridge br',
      namespace: netns,
      index: 0,
    });
    expect(
      await rejection(
        kernel.transaction([{ op: 'link.add', netns, link: { kind: 'bridge', name: 'b2', index: 5000 } }]),
      ),
    ).toMatchObject({ code: expect.stringMatching(/^E(EXIST|BUSY)$/), operation: 'create bridge b2' });
    expect(await rejection(kernel.transaction([{ op: 'link.delete', netns, link: { name: 'none' } }]))).toMatchObject({
      code: 'ENODEV',
      operation: 'delete link none',
    });
    expect(
      await rejection(
        kernel.transaction([
          { op: 'link.set', netns, link: { index: 5000 }, changes: { group: 4 } },
          { op: 'link.set', netns, link: { index: 4999 }, changes: { up: true } },
        ]),
      ),
    ).toMatchObject({ code: 'ENODEV', operation: 'set up of link 4999', index: 1 });
    expect(
      await rejection(
        kernel.transaction([{ op: 'link.add', netns, link: { kind: 'bridge', name: 'x', mtu: 70_000 } }]),
      ),
    ).toMatchObject({ code: 'EINVAL', extack: expect.stringMatching(/mtu/i) });
    const peerUp = await rejection(
      kernel.transaction([
        { op: 'link.add', netns, link: { kind: 'veth', name: 'a', data: { peer: { name: 'b', up: true } } } },
      ]),
    );
    expect(peerUp).toMatchObject({ code: 'ENOTCONN' });
    expect(await rejection(kernel.query('link.get', { netns, link: { name: 'none' } }))).toMatchObject({
      code: 'ENODEV',
      operation: 'read link.get',
      namespace: netns,
    });
    expect(await rejection(kernel.query('link.list', { netns: 'vwt-no-such-namespace' }))).toMatchObject({
      code: 'ENOENT',
      namespace: 'vwt-no-such-namespace',
    });
    expect(await rejection(kernel.query('link.list', { netns: '/etc/passwd' }))).toMatchObject({ code: 'EINVAL' });
  });
});
