import { describe, expect, test } from 'vitest';
import { ValidationError } from '../../../src/errors.js';
import type { BridgeOptions, BridgePortOptions, LinkSpec, VxlanOptions } from '../../../src/kernel/index.js';
import { ipLink, openStage } from '../../support/kernel.js';
import { attempt, privileged, type TestNamespace } from '../../support/namespaces.js';

function unknownAttributes(data: object | undefined): string[] {
  return Object.keys(data ?? {}).filter((key) => key.startsWith('attribute'));
}

describe.skipIf(!privileged)('options of links', () => {
  test('multicast options of a bridge', async () => {
    await using stage = await openStage();
    const { kernel, namespace, netns } = stage;
    const data: BridgeOptions = {
      groupAddress: '01:80:c2:00:00:0d',
      multicastQueryUsesOwnAddress: true,
      multicastStatistics: true,
      multicastHashMaximum: 1024,
      multicastLastMemberCount: 3,
      multicastLastMemberInterval: 1.5,
      multicastMembershipInterval: 270,
      multicastQuerierInterval: 260,
      multicastQueryInterval: 120.5,
      multicastQueryResponseInterval: 11,
      multicastStartupQueryCount: 4,
      multicastStartupQueryInterval: 33,
      igmpVersion: 3,
      mldVersion: 2,
    };
    await kernel.transaction([{ op: 'link.add', netns, link: { kind: 'bridge', name: 'br', data } }]);
    expect((await ipLink(namespace, 'br')).linkinfo?.info_data).toMatchObject({
      group_addr: '01:80:c2:00:00:0d',
      mcast_query_use_ifaddr: 1,
      mcast_stats_enabled: 1,
      mcast_hash_max: 1024,
      mcast_last_member_cnt: 3,
      mcast_last_member_intvl: 150,
      mcast_membership_intvl: 27000,
      mcast_querier_intvl: 26000,
      mcast_query_intvl: 12050,
      mcast_query_response_intvl: 1100,
      mcast_startup_query_cnt: 4,
      mcast_startup_query_intvl: 3300,
      mcast_igmp_version: 3,
      mcast_mld_version: 2,
    });
    const read = await kernel.query('link.get', { netns, link: { name: 'br' } });
    expect(read.data).toMatchObject(data);
    expect(unknownAttributes(read.data)).toEqual([]);
  });

  test('options of a bridge for learning, and of a port in the change that brings it up', async () => {
    await using stage = await openStage();
    const { kernel, namespace, netns } = stage;
    const data: BridgeOptions = { linkLocalLearning: false, maximumLearned: 100 };
    await kernel.transaction([
      { op: 'link.add', netns, link: { kind: 'bridge', name: 'br', index: 20, data } },
      {
        op: 'link.add',
        netns,
        link: { kind: 'veth', name: 'a', index: 21, master: 20, data: { peer: { name: 'b' } } },
      },
      { op: 'link.set', netns, link: { index: 21 }, changes: { up: true, port: { groupForwardMask: 0xfffd } } },
    ]);
    expect((await ipLink(namespace, 'br')).linkinfo?.info_data).toMatchObject({ no_linklocal_learn: 1 });
    const { data: read } = await kernel.query('link.get', { netns, link: { name: 'br' } });
    expect(read?.linkLocalLearning).toBe(false);
    // Linux supports the limit since 6.7.
    expect([100, undefined]).toContain(read?.maximumLearned);
    const port = await ipLink(namespace, 'a');
    expect(port.linkinfo).toMatchObject({ info_slave_data: { group_fwd_mask: '0xfffd' } });
    expect(port.flags).toContain('UP');
    // A later failure undoes both.
    const changes = { up: false, port: { groupForwardMask: 8, learning: false } };
    const failing = [
      { op: 'link.set', netns, link: { index: 21 }, changes },
      { op: 'link.set', netns, link: { index: 999 }, changes: { up: true } },
    ] as const;
    await expect(kernel.transaction(failing)).rejects.toMatchObject({ code: 'ENODEV' });
    const after = await kernel.query('link.get', { netns, link: { index: 21 } });
    expect(after).toMatchObject({ up: true, port: { groupForwardMask: 0xfffd, learning: true } });
    // A link that is no port has no such options, and pause frames are never passed on.
    for (const [name, mask, code] of [
      ['b', 4, 'ENOTSUP'],
      ['a', 2, 'EINVAL'],
    ] as const) {
      const change = { op: 'link.set', netns, link: { name }, changes: { port: { groupForwardMask: mask } } } as const;
      await expect(kernel.transaction([change])).rejects.toMatchObject({ code });
    }
  });

  test('IPv6 of a link is disabled and enabled, restored after a failure, and reported by link queries', async () => {
    await using stage = await openStage();
    const { kernel, namespace, netns } = stage;
    await kernel.transaction([
      { op: 'link.add', netns, link: { kind: 'veth', name: 'odd.name', index: 21, data: { peer: { name: 'b' } } } },
    ]);
    const setting = async () =>
      (await namespace.run('cat', '/proc/sys/net/ipv6/conf/odd.name/disable_ipv6')).trim() === '1';
    const told = async () => (await kernel.query('link.get', { netns, link: { index: 21 } })).ipv6Disabled;
    expect([await setting(), await told()]).toEqual([false, false]);
    const disable = { op: 'link.ipv6', netns, index: 21, disabled: true } as const;
    expect(await kernel.ensure([disable])).toEqual([disable]);
    expect([await setting(), await told()]).toEqual([true, true]);
    expect(await kernel.ensure([disable])).toEqual([]);
    const enable = { ...disable, disabled: false };
    await expect(kernel.transaction([enable, { ...disable, index: 999 }])).rejects.toMatchObject({ code: 'ENODEV' });
    expect(await setting()).toBe(true);
    await kernel.transaction([enable]);
    expect([await setting(), await told()]).toEqual([false, false]);
    // A link that is too small for IPv6 has none that could be disabled.
    await namespace.ip('link', 'set', 'dev', 'b', 'mtu', '1000');
    const { index } = await kernel.query('link.get', { netns, link: { name: 'b' } });
    await kernel.transaction([{ ...disable, index }]);
  });

  test('VLAN options of a bridge: as ip sets them, or both are rejected', async () => {
    await using stage = await openStage(2);
    const [ours, theirs] = stage.namespaces as [TestNamespace, TestNamespace];
    const data: BridgeOptions = {
      vlanFiltering: true,
      vlanProtocol: '802.1ad',
      vlanDefaultPvid: 77,
      vlanStatistics: true,
    };
    const words = [
      'vlan_filtering',
      '1',
      'vlan_protocol',
      '802.1ad',
      'vlan_default_pvid',
      '77',
      'vlan_stats_enabled',
      '1',
    ];
    const made = await attempt('ip', '-n', theirs.name, 'link', 'add', 'name', 'br', 'type', 'bridge', ...words);
    const link: LinkSpec = { kind: 'bridge', name: 'br', data };
    const adding = stage.kernel.transaction([{ op: 'link.add', netns: ours.name, link }]);
    if (made.exitCode !== 0) {
      // The kernel does not support VLANs.
      expect(made.stderr).toMatch(/not supported/);
      await expect(adding).rejects.toMatchObject({ code: 'ENOTSUP', operation: 'create bridge br' });
      return;
    }
    await adding;
    const [shown, expected] = await Promise.all([ipLink(ours, 'br'), ipLink(theirs, 'br')]);
    for (const key of ['vlan_filtering', 'vlan_protocol', 'vlan_default_pvid', 'vlan_stats_enabled']) {
      expect(shown.linkinfo?.info_data?.[key]).toEqual(expected.linkinfo?.info_data?.[key]);
    }
    expect((await stage.kernel.query('link.get', { netns: ours.name, link: { name: 'br' } })).data).toMatchObject(data);
  });

  test("flags of a bridge's port", async () => {
    await using stage = await openStage();
    const { kernel, namespace, netns } = stage;
    const veth = { kind: 'veth', master: 5000 } as const;
    const port: BridgePortOptions = {
      rootBlock: true,
      locked: true,
      macAuthenticationBypass: true,
      multicastToUnicast: true,
      multicastRouter: 2,
      multicastFastLeave: true,
      multicastHostsLimit: 99,
      proxyArp: true,
      vlanTunnel: true,
      groupForwardMask: 8,
      backupPort: 5002,
    };
    await kernel.transaction([
      { op: 'link.add', netns, link: { kind: 'bridge', name: 'br', index: 5000 } },
      { op: 'link.add', netns, link: { ...veth, name: 'one', index: 5001, data: { peer: { name: 'far1' } } } },
      { op: 'link.add', netns, link: { ...veth, name: 'two', index: 5002, data: { peer: { name: 'far2' } } } },
      { op: 'link.port', netns, index: 5001, port },
    ]);
    expect((await ipLink(namespace, 'one')).linkinfo?.info_slave_data).toMatchObject({
      root_block: true,
      locked: true,
      mcast_to_unicast: true,
      multicast_router: 2,
      fastleave: true,
      proxy_arp: true,
      vlan_tunnel: true,
      group_fwd_mask: '0x8',
      backup_port: 'two',
    });
    const read = await kernel.query('link.get', { netns, link: { index: 5001 } });
    expect(read.port).toMatchObject(port);
    expect(unknownAttributes(read.port)).toEqual([]);
  });

  test.each<[string, VxlanOptions, object]>([
    [
      'one network',
      {
        id: 42,
        local: '2001:db8::1',
        remote: '2001:db8::2',
        port: 4789,
        portRange: { low: 4000, high: 5000 },
        df: 'set',
        ttlInherit: true,
        label: 0x12345,
        learning: false,
        routeShortCircuit: true,
        l2Miss: true,
        l3Miss: true,
        localBypass: false,
        groupPolicy: true,
        remoteChecksumTx: true,
        remoteChecksumRx: true,
      },
      {
        id: 42,
        port: 4789,
        port_range: { low: 4000, high: 5000 },
        df: 'set',
        label: '0x12345',
        learning: false,
        rsc: true,
        l2miss: true,
        l3miss: true,
        gbp: true,
        remcsum_tx: true,
        remcsum_rx: true,
      },
    ],
    [
      'any network',
      { collectMetadata: true, vniFilter: true, genericProtocol: true, port: 4790, learning: false },
      { external: true, vnifilter: true, gpe: true, port: 4790, learning: false },
    ],
  ])('a VXLAN link of %s', async (_, data, expected) => {
    await using stage = await openStage();
    const { kernel, namespace, netns } = stage;
    await kernel.transaction([{ op: 'link.add', netns, link: { kind: 'vxlan', name: 'vx', data } }]);
    expect((await ipLink(namespace, 'vx')).linkinfo?.info_data).toMatchObject(expected);
    const read = await kernel.query('link.get', { netns, link: { name: 'vx' } });
    expect(read.data).toMatchObject(data);
    expect(unknownAttributes(read.data)).toEqual([]);
  });

  test('a VXLAN link needs a VNI or collectMetadata, and cannot have both', async () => {
    await using stage = await openStage();
    const { kernel, netns } = stage;
    for (const data of [{}, { port: 4789 }, { collectMetadata: false }]) {
      const link = { kind: 'vxlan', name: 'vx', data } as LinkSpec;
      const error = await kernel.transaction([{ op: 'link.add', netns, link }]).catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(ValidationError);
      expect(error).toMatchObject({ field: 'operations[0].link.data.id' });
    }
  });
});
