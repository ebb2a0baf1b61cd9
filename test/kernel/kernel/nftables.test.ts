import { describe, expect, test } from 'vitest';
import { KernelError, ValidationError } from '../../../src/errors.js';
import type { Expression, NftCommand, SetElement } from '../../../src/kernel/index.js';
import { addFloating, addRouted, deleteFloating, planRuleset } from '../../../src/plan/ruleset.js';
import { openStage } from '../../support/kernel.js';
import { privileged, type TestNamespace } from '../../support/namespaces.js';
import { commandsOf, loadWithNft, nftPicture } from '../../support/nft.js';
import { floating, host, network } from '../../unit/plan/fixtures.js';

const at = { family: 'ip', table: 't' } as const;
const table: NftCommand = { command: 'table.add', family: 'ip', name: 't' };

async function rejection(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: unknown) => error,
  );
}

/** A chain's rules, in nft's words. */
async function rulesOf(namespace: TestNamespace, chain: string): Promise<string[]> {
  const lines = (await namespace.run('nft', 'list', 'chain', 'ip', 'vethwork', chain)).split('\n');
  return lines.filter((line) => line.includes('comment')).map((line) => line.trim());
}

/** The walk-through's network node, in nft's own language. */
const walkThrough = `
table ip vethwork {
  map floating { type ipv4_addr : ipv4_addr; elements = { 192.168.15.29 : 172.16.0.37 } }
  map replies { type ipv4_addr : mark; elements = { 192.168.15.29 : 0x00000bba } }
  set routed { type ipv4_addr; elements = { 192.168.15.30 } }
  set asked { type ipv4_addr; size 64; flags dynamic,timeout; timeout 3s; }
  chain prerouting {
    type filter hook prerouting priority mangle;
    ct direction reply ct status dnat iifname "veth-e2300f-i" ip daddr != 172.16.0.1 meta mark set ct original ip daddr map @replies comment "replies of floating addresses leave through their own links"
  }
  chain dstnat {
    type nat hook prerouting priority dstnat;
    dnat to ip daddr map @floating comment "floating addresses"
  }
  chain srcnat {
    type nat hook postrouting priority srcnat;
    ip saddr 172.16.0.0/24 oifname "egr-e2300f-i" counter masquerade comment "instances appear as the floating gateway"
    iifname "veth-e2300f-i" oifname "veth-e2300f-i" ct status dnat counter masquerade comment "instances reach floating addresses of their own network"
  }
  chain forward {
    type filter hook forward priority filter; policy drop;
    ct state established,related accept comment "known connections"
    ct status dnat counter accept comment "to floating addresses"
    iifname "veth-e2300f-i" oifname "egr-e2300f-i" ip daddr 169.254.0.0/16 counter drop comment "instances do not reach metadata services (169.254.0.0/16)"
    iifname "veth-e2300f-i" oifname "egr-e2300f-i" ip daddr 168.63.129.16 counter drop comment "instances do not reach metadata services (168.63.129.16)"
    iifname "veth-e2300f-i" oifname "egr-e2300f-i" ip daddr 100.100.100.200 counter drop comment "instances do not reach metadata services (100.100.100.200)"
    iifname "veth-e2300f-i" oifname "egr-e2300f-i" ip saddr 172.16.0.0/24 ip daddr 192.168.15.0/24 add @asked { ip daddr } counter accept comment "instances to few addresses of the floating network at a time"
    iifname "veth-e2300f-i" oifname "egr-e2300f-i" ip saddr 172.16.0.0/24 ip daddr 192.168.15.0/24 counter drop comment "instances to more of them"
    iifname "veth-e2300f-i" oifname "egr-e2300f-i" ip saddr 172.16.0.0/24 counter accept comment "instances to the outside"
    iifname "veth-e2300f-i" oifname "egr-e2300f-i" ip saddr @routed counter accept comment "replies of routed addresses"
    iifname "veth-e2300f-i" oifname "veth-e2300f-i" ip daddr @routed counter accept comment "instances to routed addresses of their own network"
    counter drop comment "everything else"
  }
  chain input {
    type filter hook input priority filter; policy drop;
    iifname "lo" accept comment "loopback"
    ct state established,related accept comment "known connections"
    icmp type echo-request accept comment "ping"
    iifname "veth-e2300f-i" udp dport 67 accept comment "DHCP"
    counter drop comment "everything else"
  }
}`;

/** By what they are about. */
const rulesets: Record<string, string> = {
  'the walk-through': walkThrough,
  'maps, also of concatenations and with a life': `
    table inet t {
      map ports { type inet_service : inet_service; elements = { 80 : 8080, 443 : 8443 } }
      map marks { type mark : mark; elements = { 1 : 0x01020304 } }
      map targets { type ipv4_addr . inet_service : ipv4_addr . inet_service; elements = { 10.0.0.1 . 80 : 10.0.0.2 . 8080 } }
      set names { type ifname . ether_addr; elements = { "eth0" . 02:00:00:bd:cd:9b } }
      set six { type ipv6_addr; size 128; elements = { 2001:db8::1, ::1 } }
      set short { type inet_proto; timeout 1h; elements = { 6, 17 timeout 2h } }
      set own { type iface_index . mark; flags timeout; elements = { 1 . 7 } }
      set fixed { type ether_type; flags constant; elements = { ip, arp } }
    }`,
  'verdict maps': `
    table ip t {
      map ports { type inet_service : verdict; elements = { 22 : accept, 23 : drop, 80 : jump web, 81 : goto web, 82 : return } }
      chain web { counter packets 5 bytes 300; meta mark set 0x00000007; }
      chain input { type filter hook input priority 10; tcp dport vmap @ports; }
    }`,
  intervals: `
    table inet t {
      set nets { type ipv4_addr; flags interval; elements = { 0.0.0.0/8, 10.0.0.0/8, 11.0.0.1-11.0.0.9, 192.168.0.1, 240.0.0.0/4 } }
      set marks { type mark; flags interval; elements = { 1-5, 0x100-0xffffffff } }
      set pairs { type ipv4_addr . inet_service; flags interval; elements = { 10.0.0.1-10.0.0.9 . 80-90, 10.0.1.0/24 . 443 } }
      map nets6 { type ipv6_addr : verdict; flags interval; elements = { 2001:db8::/32 : accept, fe80::/10 : drop } }
      chain input {
        type filter hook input priority 0;
        ip saddr @nets meta mark @marks ip daddr . tcp dport @pairs accept
        ip6 saddr vmap @nets6
      }
    }`,
  'limits, logs, rejects, counters': `
    table inet t {
      chain input {
        type filter hook input priority -10; policy accept;
        limit rate 10/second accept
        limit rate over 400/hour burst 7 packets drop
        limit rate over 10 kbytes/minute burst 5 kbytes drop
        log prefix "seen: " level info
        log prefix "told" group 3
        log
        counter packets 4294967296 bytes 9007199254740993
        reject with icmpx admin-prohibited
        ip saddr 10.0.0.1 reject with icmp host-unreachable
        ip6 saddr ::1 reject with icmpv6 no-route
        tcp dport 113 reject with tcp reset
      }
    }`,
  'named counters, also in maps': `
    table inet t {
      counter web { comment "what the web takes" packets 5 bytes 300 }
      counter huge { packets 4294967296 bytes 9007199254740993 }
      map by_port { type inet_service : counter; elements = { 80 : "web", 443 : "huge" } }
      map by_net { type ipv4_addr : counter; flags interval; elements = { 10.0.0.0/8 : "web" } }
      chain input {
        type filter hook input priority 0;
        counter name "web"
        counter name tcp dport map @by_port
        counter name ip saddr map @by_net
      }
    }`,
  'ranges, quotas, what is not tracked': `
    table inet t {
      chain raw { type filter hook prerouting priority raw; ip saddr 10.0.0.1 notrack; }
      chain input {
        type filter hook input priority 0;
        tcp dport != 1000-2000 drop
        ip saddr != 10.0.0.5-10.0.0.9 accept
        quota over 5 mbytes drop
        quota 10 kbytes accept
      }
    }`,
  'sets that packets write, with counters and limits of their elements': `
    table inet t {
      set seen { type ipv4_addr; size 1000; flags dynamic,timeout; timeout 1h; }
      set busy { type ipv4_addr . inet_service; size 1000; flags dynamic; }
      set few { type ipv4_addr; size 1000; flags dynamic; ct count 4; }
      set slow { type ipv4_addr . ether_addr; flags dynamic; limit rate 2/second burst 20 packets; elements = { 10.0.0.1 . 02:00:00:bd:cd:9b limit rate 2/second burst 20 packets } }
      set counted { type ipv4_addr; size 1000; flags dynamic; counter; elements = { 10.0.0.1 counter packets 5 bytes 300 } }
      map by { type inet_service : ipv4_addr; size 1000; flags dynamic; }
      chain input {
        type filter hook input priority 0;
        add @seen { ip saddr timeout 10m }
        update @seen { ip saddr limit rate over 5/second burst 9 packets } drop
        update @busy { ip saddr . tcp dport counter }
        update @counted { ip daddr }
        tcp dport 53 update @few { ip saddr } accept
        ct count over 9 drop
        add @by { tcp dport : ip saddr }
        delete @seen { ip daddr }
      }
    }`,
  'elements for every other key': `
    table ip t {
      set hosts { type ipv4_addr; elements = { 10.0.0.1, * } }
      set nets { type ipv4_addr; flags interval; elements = { 10.0.0.0/8, * } }
      map rest { type ipv4_addr : verdict; elements = { 10.0.0.1 : accept, * : drop } }
      map ports { type inet_service : inet_service; elements = { 80 : 8080, * : 9 } }
      set lives { type ipv4_addr . inet_service; flags interval,timeout; elements = { 10.0.0.1-10.0.0.9 . 80-90 timeout 1h } }
      set fading { type ipv4_addr; flags interval,timeout; elements = { 10.0.0.0/8 timeout 2h, 11.0.0.1 timeout 3h } }
    }`,
  nat: `
    table inet t {
      chain pre {
        type nat hook prerouting priority dstnat;
        tcp dport 80 redirect to :8080
        ip daddr 192.0.2.1 tcp dport 81 dnat ip to 10.0.0.1-10.0.0.9:1000-2000 random,persistent
        ip6 daddr 2001:db8::1 dnat ip6 to 2001:db8::2
      }
      chain post {
        type nat hook postrouting priority srcnat;
        ip saddr 10.0.0.0/8 snat ip to 192.0.2.1 fully-random
        meta l4proto udp masquerade to :1024-2048 random,persistent
      }
    }`,
  'changes of packets': `
    table ip t {
      chain forward {
        type filter hook forward priority 0;
        udp dport 67 @th,160,32 set 0xac100009
        ip ttl set 5
        ip saddr set 192.0.2.1
        tcp dport 80 tcp dport set 8080
        udp checksum set 0
      }
    }
    table bridge t {
      chain forward { type filter hook forward priority filter; ether daddr set 02:00:00:bd:cd:9b; }
    }`,
  'a bridge': `
    table bridge t {
      chain forward {
        type filter hook forward priority filter; policy drop;
        ether type arp accept
        ether saddr 02:00:00:bd:cd:9b iifname "vnet0" oifname "vnet1" counter accept
        meta pkttype broadcast drop
      }
    }`,
  'other families, hooks and expressions': `
    table ip6 t {
      chain out { type route hook output priority -150; meta mark set ct mark; icmpv6 type nd-router-advert drop; }
    }
    table arp t {
      chain in { type filter hook input priority 0; arp operation request; }
    }
    table netdev t {
      chain in { type filter hook ingress device "lo" priority 0; ip protocol icmp counter; }
    }
    table ip t {
      chain pre {
        type filter hook prerouting priority raw;
        fib daddr type local accept
        fib saddr . iif oif missing drop
        ct direction original ct state invalid drop
        ct original ip saddr 10.0.0.1 meta length > 1000 meta l4proto != tcp continue
        tcp flags & (syn|ack) == syn tcp dport 1000-2000 quota over 5 mbytes drop
      }
    }`,
};

describe.skipIf(!privileged)('nftables', () => {
  test.each(Object.entries(rulesets))(
    '%s: created by nft, listed, created again from the list',
    async (_about, ruleset) => {
      await using stage = await openStage(2);
      const { kernel, namespaces } = stage;
      const [theirs, ours] = namespaces as [(typeof namespaces)[0], (typeof namespaces)[0]];
      await loadWithNft(theirs, ruleset);
      const listed = await kernel.query('nftables.list', { netns: theirs.name });
      await kernel.transaction([{ op: 'nftables.batch', netns: ours.name, commands: commandsOf(listed) }]);

      const picture = await nftPicture(theirs);
      expect(picture.length).toBeGreaterThan(2);
      expect(await nftPicture(ours)).toEqual(picture);
    },
  );

  test('the ruleset of a network is the one of the walk-through', async () => {
    await using stage = await openStage(2);
    const { kernel, namespaces } = stage;
    const [theirs, ours] = namespaces as [(typeof namespaces)[0], (typeof namespaces)[0]];
    await loadWithNft(theirs, walkThrough);
    const there = { ...network, uuid: ours.name };
    await kernel.transaction([
      planRuleset(host, there),
      addFloating(there.uuid, floating),
      addRouted(there.uuid, '192.168.15.30'),
    ]);
    expect(await rulesOf(ours, 'prerouting')).toEqual(await rulesOf(theirs, 'prerouting'));
    expect(await nftPicture(ours)).toEqual(await nftPicture(theirs));

    await kernel.transaction([deleteFloating(there.uuid, floating)]);
    expect(await ours.run('nft', 'list', 'map', 'ip', 'vethwork', 'floating')).not.toContain('192.168.15.29');
  });

  test('a batch that fails is undone completely, and the error names the command', async () => {
    await using stage = await openStage();
    const { kernel, netns, namespace } = stage;
    const commands: NftCommand[] = [
      table,
      { ...at, command: 'chain.add', name: 'good' },
      { ...at, command: 'rule.add', chain: 'bad', expressions: [] },
      { ...at, command: 'chain.add', name: 'good too' },
    ];
    const error = await rejection(kernel.transaction([{ op: 'nftables.batch', netns, commands }]));
    expect(error).toBeInstanceOf(KernelError);
    expect(error).toMatchObject({ code: 'ENOENT', namespace: netns, index: 0 });
    expect((error as KernelError).message).toContain('commands[2] rule.add ip t bad');
    expect(await nftPicture(namespace)).toEqual([]);
  });

  test('an existing object is an error only with exclusive', async () => {
    await using stage = await openStage();
    const { kernel, netns } = stage;
    const set: NftCommand = { ...at, command: 'set.add', name: 's', keyType: 'inet_service' };
    const elements: NftCommand = {
      ...at,
      command: 'element.add',
      set: 's',
      keyType: 'inet_service',
      elements: [{ key: 1 }],
    };
    const chain: NftCommand = { ...at, command: 'chain.add', name: 'c' };
    const counter: NftCommand = { ...at, command: 'counter.add', name: 'n', packets: 1 };
    const all = [table, set, elements, chain, counter];
    const batch = (...commands: NftCommand[]) => kernel.transaction([{ op: 'nftables.batch', netns, commands }]);
    await batch(...all);
    await batch(...all);
    for (const command of [table, elements, chain, counter]) {
      const again = { ...command, exclusive: true } as NftCommand;
      expect(await rejection(batch(again)), command.command).toMatchObject({ code: 'EEXIST' });
    }
  });

  test('everything that can be added can be deleted', async () => {
    await using stage = await openStage();
    const { kernel, netns, namespace } = stage;
    const batch = (...commands: NftCommand[]) => kernel.transaction([{ op: 'nftables.batch', netns, commands }]);
    await loadWithNft(
      namespace,
      `table ip t {
        set s { type ipv4_addr; flags interval; elements = { 10.0.0.0/8, 192.0.2.1, 240.0.0.0/4 } }
        map m { type mark : verdict; elements = { 1 : jump a, 2 : drop } }
        counter n { }
        chain a { counter; counter comment "second"; }
        chain b { counter; counter; }
      }`,
    );
    const nets = { ...at, set: 's', keyType: 'ipv4_addr', interval: true } as const;
    await batch({
      ...nets,
      command: 'element.delete',
      elements: [{ key: '10.0.0.0', keyEnd: '10.255.255.255' }, { key: '192.0.2.1' }],
    });
    expect(await namespace.run('nft', 'list', 'set', 'ip', 't', 's')).toContain('elements = { 240.0.0.0/4 }');
    await batch({ ...nets, command: 'element.delete', elements: [{ key: '240.0.0.0', keyEnd: '255.255.255.255' }] });
    expect(await namespace.run('nft', 'list', 'set', 'ip', 't', 's')).not.toContain('elements');
    await batch({
      ...at,
      command: 'element.delete',
      set: 'm',
      keyType: 'mark',
      dataType: 'verdict',
      elements: [{ key: 1 }],
    });
    expect(await namespace.run('nft', 'list', 'map', 'ip', 't', 'm')).toContain('elements = { 0x00000002 : drop }');

    const rules = (await kernel.query('nftables.list', { netns })).filter(({ object }) => object === 'rule');
    const second = rules.find(({ comment }) => comment === 'second');
    await batch({ ...at, command: 'rule.delete', chain: 'a', handle: second?.handle as number });
    expect(await namespace.run('nft', 'list', 'chain', 'ip', 't', 'a')).toMatch(/\{\s+counter packets 0 bytes 0\s+\}/);
    await batch({ ...at, command: 'chain.flush', name: 'b' });
    expect(await namespace.run('nft', 'list', 'chain', 'ip', 't', 'b')).not.toContain('counter');
    await batch(
      { ...at, command: 'chain.delete', name: 'b' },
      { ...at, command: 'set.delete', name: 's' },
      { ...at, command: 'counter.delete', name: 'n' },
    );
    const left = await namespace.run('nft', 'list', 'table', 'ip', 't');
    expect(left).not.toMatch(/chain b|set s|counter n/);
    await batch({ command: 'table.delete', family: 'ip', name: 't' });
    expect(await nftPicture(namespace)).toEqual([]);
  });

  test('a rule is added at a given position, and replaces another', async () => {
    await using stage = await openStage();
    const { kernel, netns, namespace } = stage;
    const counting = (comment: string) => ({ chain: 'c', expressions: [{ expression: 'counter' } as const], comment });
    const batch = (...commands: NftCommand[]) => kernel.transaction([{ op: 'nftables.batch', netns, commands }]);
    const handleOf = async (wanted: string) =>
      (await kernel.query('nftables.list', { netns })).find(({ comment }) => comment === wanted)?.handle as number;
    await batch(table, { ...at, command: 'chain.add', name: 'c' }, { ...at, command: 'rule.add', ...counting('two') });
    await batch(
      { ...at, command: 'rule.insert', ...counting('one') },
      { ...at, command: 'rule.add', ...counting('three') },
      { ...at, command: 'rule.add', after: await handleOf('two'), ...counting('two and a half') },
      { ...at, command: 'rule.insert', before: await handleOf('two'), ...counting('one and a half') },
    );
    await batch({ ...at, command: 'rule.replace', handle: await handleOf('three'), ...counting('four') });
    const shown = await namespace.run('nft', 'list', 'chain', 'ip', 't', 'c');
    expect([...shown.matchAll(/comment "(.*)"/g)].map(([, comment]) => comment)).toEqual([
      'one',
      'one and a half',
      'two',
      'two and a half',
      'four',
    ]);
    expect(await rejection(batch({ ...at, command: 'rule.replace', handle: 999, ...counting('none') }))).toMatchObject({
      code: 'ENOENT',
    });
  });

  const types = { keyType: 'ipv4_addr', dataType: 'ipv4_addr' } as const;
  const entry = (n: number): SetElement => ({
    key: `10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`,
    data: `172.${n >> 16}.${(n >> 8) & 255}.${n & 255}`,
  });
  const mapOf = (elements: SetElement[]): NftCommand[] => [
    table,
    { ...at, command: 'set.add', name: 'm', ...types },
    { ...at, command: 'element.add', set: 'm', ...types, elements },
  ];

  test('a set takes any number of elements, over several messages', async () => {
    await using stage = await openStage();
    const { kernel, netns, namespace } = stage;
    const elements = Array.from({ length: 20_000 }, (_, n) => entry(n));
    await kernel.transaction([{ op: 'nftables.batch', netns, commands: mapOf(elements) }]);
    const shown = await namespace.run('nft', 'list', 'map', 'ip', 't', 'm');
    expect(shown.match(/10\.0\.\d+\.\d+ : 172\.0\.\d+\.\d+/g)).toHaveLength(elements.length);
    const listed = (await kernel.query('nftables.list', { netns, table: 't' })).filter(
      ({ object }) => object === 'element',
    );
    expect(listed.map(({ key, data }) => `${key} ${data}`).sort()).toEqual(
      elements.map(({ key, data }) => `${key} ${data}`).sort(),
    );
    const withoutElements = await kernel.query('nftables.list', { netns, elements: false });
    expect(withoutElements.map(({ object }) => object)).toEqual(['table', 'set']);
    expect(await kernel.query('nftables.list', { netns, table: 'other' })).toEqual([]);
    expect(await kernel.query('nftables.list', { netns, family: 'ip6' })).toEqual([]);
  });

  test('a million elements are rejected before anything is sent', async () => {
    await using stage = await openStage();
    const { kernel, netns } = stage;
    const commands = mapOf(Array.from({ length: 1_000_000 }, (_, n) => entry(n)));
    expect(await rejection(kernel.transaction([{ op: 'nftables.batch', netns, commands }]))).toMatchObject({
      name: 'ValidationError',
      field: 'operations',
      expected: expect.stringContaining('values in one call'),
    });
    expect(await nftPicture(stage.namespace)).toEqual([]);
  });

  test('the largest batch is applied completely, or not at all if its last element is rejected', async () => {
    await using stage = await openStage();
    const { kernel, netns, namespace } = stage;
    const elements = Array.from({ length: 170_000 }, (_, n) => entry(n));
    const other = { key: elements[0]?.key as string, data: '192.0.2.1' };
    const batch = (all: SetElement[]) => kernel.transaction([{ op: 'nftables.batch', netns, commands: mapOf(all) }]);
    expect(await rejection(batch([...elements, other]))).toMatchObject({
      code: 'EEXIST',
      extack: expect.stringContaining('commands[2] element.add ip t m'),
    });
    expect(await nftPicture(namespace)).toEqual([]);
    await batch(elements);
    const { key, data } = elements.at(-1) as SetElement;
    expect(await namespace.run('nft', 'get', 'element', 'ip', 't', 'm', `{ ${key} }`)).toContain(`${key} : ${data}`);
  });

  const rule = (expression: object): NftCommand =>
    ({ ...at, command: 'rule.add', chain: 'c', expressions: [expression as Expression] }) as NftCommand;
  const element = (types: object, one: object): NftCommand =>
    ({ ...at, command: 'element.add', set: 's', ...types, elements: [one] }) as unknown as NftCommand;
  const register = 'expressions[0].register';
  const refused: [field: string, command: object][] = [
    ['command', { command: 'table.drop', family: 'ip', name: 't' }],
    ['family', { command: 'table.add', family: 'ipv4', name: 't' }],
    ['name', { command: 'table.add', family: 'ip', name: '' }],
    ['name', { command: 'table.add', family: 'ip', name: 'n'.repeat(256) }],
    ['table', { command: 'chain.add', family: 'ip', name: 'c' }],
    ['hook.hook', { ...at, command: 'chain.add', name: 'c', hook: { type: 'nat', hook: 'ingres', priority: 0 } }],
    ['hook.type', { ...at, command: 'chain.add', name: 'c', hook: { type: 'mangle', hook: 'input', priority: 0 } }],
    ['hook.priority', { ...at, command: 'chain.add', name: 'c', hook: { type: 'nat', hook: 'input', priority: 0.5 } }],
    [
      'hook.policy',
      { ...at, command: 'chain.add', name: 'c', hook: { type: 'nat', hook: 'input', priority: 0, policy: 7 } },
    ],
    [
      'hook.device',
      { ...at, command: 'chain.add', name: 'c', hook: { type: 'nat', hook: 'input', priority: 0, device: 'a/b' } },
    ],
    ['handle', { ...at, command: 'rule.delete', chain: 'c' }],
    ['handle', { ...at, command: 'rule.replace', chain: 'c', expressions: [] }],
    ['after', { ...at, command: 'rule.add', chain: 'c', expressions: [], after: -1 }],
    ['before', { ...at, command: 'rule.add', chain: 'c', expressions: [], before: 1 }],
    ['expressions[0].to', rule({ expression: 'range', register: 1, operator: 'eq', from: new Uint8Array(1) })],
    ['expressions[0].bytes', rule({ expression: 'quota', bytes: 1.5 })],
    [
      'expressions[0].expressions[0].expression',
      rule({ expression: 'dynset', set: 's', operation: 'add', sourceRegister: 1, expressions: [{ expression: 'x' }] }),
    ],
    ['elements[0].keyEnd', element({ keyType: 'mark', interval: true }, { key: '*', keyEnd: 2 })],
    ['comment', { ...rule({ expression: 'counter' }), comment: 'c'.repeat(129) }],
    ['expressions', { ...at, command: 'rule.add', chain: 'c' }],
    ['expressions[0].expression', rule({ expression: 'count' })],
    [register, rule({ expression: 'meta', key: 'mark', register: 5 })],
    ['expressions[0]', rule({ expression: 'meta', key: 'mark', register: 1, sourceRegister: 1 })],
    ['expressions[0].key', rule({ expression: 'meta', key: 'brand', register: 1 })],
    ['expressions[0].data', rule({ expression: 'cmp', register: 1, operator: 'eq', data: new Uint8Array(17) })],
    ['expressions[0].data', rule({ expression: 'cmp', register: 1, operator: 'eq', data: '1' })],
    ['expressions[0].verdict', rule({ expression: 'immediate', verdict: 'allow' })],
    ['expressions[0].verdict.jump', rule({ expression: 'immediate', verdict: { jump: '' } })],
    ['expressions[0]', rule({ expression: 'immediate', verdict: 'drop', register: 1 })],
    ['expressions[0]', rule({ expression: 'reject', type: 'icmp-unreachable' })],
    ['expressions[0]', rule({ expression: 'log', group: 1, level: 1 })],
    ['expressions[0].colour', rule({ expression: 'counter', colour: 1 })],
    ['expressions[0]', rule({ expression: 'objref', name: 'n' })],
    ['expressions[0]', rule({ expression: 'objref', type: 'counter', name: 'n', map: 'm', sourceRegister: 1 })],
    ['packets', { ...at, command: 'counter.add', name: 'n', packets: -1 }],
    ['colour', { ...at, command: 'counter.add', name: 'n', colour: 1 }],
    ['name', { ...at, command: 'counter.delete' }],
    ['keyType', { ...at, command: 'set.add', name: 's', keyType: 'ipv5_addr' }],
    ['keyType', { ...at, command: 'set.add', name: 's', keyType: Array(6).fill('mark').join(' . ') }],
    ['size', { ...at, command: 'set.add', name: 's', keyType: 'mark', size: 0 }],
    ['elements', { ...at, command: 'element.add', set: 's', keyType: 'mark', elements: [] }],
    ['elements[0].key', element({ keyType: 'ipv4_addr' }, { key: '10.0.0.256' })],
    ['elements[0].key', element({ keyType: 'ipv4_addr' }, { key: '::1' })],
    ['elements[0].key', element({ keyType: 'ether_addr' }, { key: '02:00' })],
    ['elements[0].key', element({ keyType: 'inet_service' }, { key: 65536 })],
    ['elements[0].key', element({ keyType: 'ifname' }, { key: 'sixteen-letters-' })],
    ['elements[0].key', element({ keyType: 'mark . mark' }, { key: [1] })],
    ['elements[0].key[1]', element({ keyType: 'mark . mark' }, { key: [1, -1] })],
    ['elements[0].keyEnd', element({ keyType: 'mark' }, { key: 1, keyEnd: 2 })],
    ['elements[0].keyEnd', element({ keyType: 'mark', interval: true }, { key: 2, keyEnd: 1 })],
    ['elements[0].data', element({ keyType: 'mark' }, { key: 1, data: 2 })],
    ['elements[0].data', element({ keyType: 'mark', dataType: 'mark' }, { key: 1 })],
    ['elements[0].data', element({ keyType: 'mark', dataType: 'counter' }, { key: 1 })],
    ['elements[0].verdict', element({ keyType: 'mark', dataType: 'verdict' }, { key: 1 })],
    ['elements[0].verdict', element({ keyType: 'mark', dataType: 'mark' }, { key: 1, data: 1, verdict: 'drop' })],
  ];
  test.each(refused)('%s of %j is rejected before anything is changed', async (field, command) => {
    await using stage = await openStage();
    const commands = [table, command as NftCommand];
    const error = await rejection(stage.kernel.transaction([{ op: 'nftables.batch', netns: stage.netns, commands }]));
    expect(error).toBeInstanceOf(ValidationError);
    expect((error as ValidationError).field).toMatch(
      new RegExp(`commands\\[1\\]\\.${field.replaceAll(/[[\].]/g, '\\$&')}$`),
    );
    expect(await nftPicture(stage.namespace)).toEqual([]);
  });

  test('a batch without commands is rejected', async () => {
    await using stage = await openStage();
    const error = await rejection(
      stage.kernel.transaction([{ op: 'nftables.batch', netns: stage.netns, commands: [] }]),
    );
    expect(error).toBeInstanceOf(ValidationError);
  });
});
