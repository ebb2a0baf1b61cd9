import { expect, test } from 'vitest';
import type { Operation } from '../../../src/kernel/operation.js';
import { planFloatingIp } from '../../../src/plan/floating-ip.js';
import { addFilteredVni } from '../../../src/plan/mesh-filter.js';
import { planNetwork, planNetworkRemoval } from '../../../src/plan/network.js';
import { floating, host, lines, network, networkWithoutNat } from './fixtures.js';

const underlay = { index: 2, address: '10.0.0.74' };
const plan = planNetwork(host, underlay, network);

test('the plan of a network', () => {
  expect(lines(plan.filter(({ op }) => op !== 'nftables.batch'))).toMatchInlineSnapshot(`
    "{"op":"namespace.add","name":"17be6538-8f96-4ccb-b71e-a7e3022fead3"}
    {"op":"sysctl.set","netns":"17be6538-8f96-4ccb-b71e-a7e3022fead3","key":"ipv4/ip_forward","value":1}
    {"op":"sysctl.set","netns":"17be6538-8f96-4ccb-b71e-a7e3022fead3","key":"ipv4/conf/all/send_redirects","value":0}
    {"op":"sysctl.set","netns":"17be6538-8f96-4ccb-b71e-a7e3022fead3","key":"ipv6/conf/all/disable_ipv6","value":1}
    {"op":"link.add","netns":"node1","link":{"kind":"bridge","name":"br-vxlan-e2300f","index":2001,"address":"8a:a6:8d:31:c9:09","mtu":8899,"data":{"stp":false,"forwardDelay":0,"multicastSnooping":false,"linkLocalLearning":false,"maximumLearned":8192}}}
    {"op":"link.set","netns":"node1","link":{"index":2001},"changes":{"mtu":8900,"inet6":{"addressGeneration":"none"},"alias":"vethwork 17be6538-8f96-4ccb-b71e-a7e3022fead3","inet":{"arpIgnore":8,"forwarding":0,"rpFilter":1,"sendRedirects":0,"acceptRedirects":0}}}
    {"op":"link.set","netns":"node1","link":{"index":2001},"changes":{"up":true}}
    {"op":"link.add","netns":"node1","link":{"kind":"vxlan","name":"vxlan-e2300f","index":2002,"address":"fe:a6:8d:31:c9:09","mtu":8900,"master":2001,"data":{"id":14823439,"link":2,"port":4789,"learning":true,"local":"10.0.0.74"}}}
    {"op":"link.set","netns":"node1","link":{"index":2002},"changes":{"alias":"vethwork 17be6538-8f96-4ccb-b71e-a7e3022fead3","group":2011312143,"inet6":{"addressGeneration":"none"}}}
    {"op":"link.set","netns":"node1","link":{"index":2002},"changes":{"up":true,"port":{"groupForwardMask":65533}}}
    {"op":"link.add","netns":"node1","link":{"kind":"veth","name":"veth-e2300f-o","index":2003,"address":"fe:da:87:ea:ce:16","mtu":8900,"master":2001,"txQueues":1,"rxQueues":1,"data":{"peer":{"name":"veth-e2300f-i","index":2004,"address":"36:da:87:ea:ce:16","mtu":8900,"netns":"17be6538-8f96-4ccb-b71e-a7e3022fead3","txQueues":1,"rxQueues":1}}}}
    {"op":"link.set","netns":"node1","link":{"index":2003},"changes":{"alias":"vethwork 17be6538-8f96-4ccb-b71e-a7e3022fead3","group":2011312143,"inet6":{"addressGeneration":"none"}}}
    {"op":"link.set","netns":"node1","link":{"index":2003},"changes":{"up":true,"port":{"groupForwardMask":65533}}}
    {"op":"neighbour.add","netns":"node1","neighbour":{"family":"bridge","index":2003,"address":"36:da:87:ea:ce:16","master":true,"sticky":true,"state":"noarp"},"mode":"replace"}
    {"op":"link.add","netns":"node1","link":{"kind":"veth","name":"egr-e2300f-o","index":2005,"address":"fe:f1:c0:a8:0f:c2","mtu":1500,"master":1000,"txQueues":1,"rxQueues":1,"data":{"peer":{"name":"egr-e2300f-i","index":2006,"address":"02:f1:c0:a8:0f:c2","mtu":1500,"netns":"17be6538-8f96-4ccb-b71e-a7e3022fead3","txQueues":1,"rxQueues":1}}}}
    {"op":"link.set","netns":"node1","link":{"index":2005},"changes":{"alias":"vethwork 17be6538-8f96-4ccb-b71e-a7e3022fead3","group":1996488704,"inet6":{"addressGeneration":"none"}}}
    {"op":"link.set","netns":"node1","link":{"index":2005},"changes":{"up":true,"port":{"groupForwardMask":65533}}}
    {"op":"neighbour.add","netns":"node1","neighbour":{"family":"bridge","index":2005,"address":"02:f1:c0:a8:0f:c2","master":true,"sticky":true,"state":"noarp"},"mode":"replace"}
    {"op":"neighbour.add","netns":"node1","neighbour":{"family":"inet","index":1000,"destination":"192.168.15.194","address":"02:f1:c0:a8:0f:c2","state":"permanent"},"mode":"replace","undo":"delete"}
    {"op":"link.ipv6","netns":"node1","index":2003,"disabled":true}
    {"op":"link.ipv6","netns":"node1","index":2005,"disabled":true}
    {"op":"link.ipv6","netns":"node1","index":2002,"disabled":true}
    {"op":"link.ipv6","netns":"node1","index":2001,"disabled":true}
    {"op":"link.set","netns":"17be6538-8f96-4ccb-b71e-a7e3022fead3","link":{"index":1},"changes":{"up":true}}
    {"op":"link.set","netns":"17be6538-8f96-4ccb-b71e-a7e3022fead3","link":{"index":2004},"changes":{"alias":"vethwork 17be6538-8f96-4ccb-b71e-a7e3022fead3","inet":{"forwarding":1,"arpIgnore":1,"arpAnnounce":2,"rpFilter":2,"sendRedirects":0,"acceptRedirects":0}}}
    {"op":"link.set","netns":"17be6538-8f96-4ccb-b71e-a7e3022fead3","link":{"index":2004},"changes":{"up":true}}
    {"op":"address.add","netns":"17be6538-8f96-4ccb-b71e-a7e3022fead3","address":{"index":2004,"address":"172.16.0.1/24"}}
    {"op":"link.set","netns":"17be6538-8f96-4ccb-b71e-a7e3022fead3","link":{"index":2006},"changes":{"alias":"vethwork 17be6538-8f96-4ccb-b71e-a7e3022fead3","inet":{"forwarding":1,"arpIgnore":1,"arpAnnounce":2,"rpFilter":2,"sendRedirects":0,"acceptRedirects":0}}}
    {"op":"link.set","netns":"17be6538-8f96-4ccb-b71e-a7e3022fead3","link":{"index":2006},"changes":{"up":true}}
    {"op":"address.add","netns":"17be6538-8f96-4ccb-b71e-a7e3022fead3","address":{"index":2006,"address":"192.168.15.194/24"}}
    {"op":"route.add","netns":"17be6538-8f96-4ccb-b71e-a7e3022fead3","route":{"destination":"default","gateway":"192.168.15.1","index":2006,"protocol":"boot"}}
    {"op":"neighbour.add","netns":"17be6538-8f96-4ccb-b71e-a7e3022fead3","neighbour":{"family":"inet","index":2006,"destination":"192.168.15.1","address":"f6:d1:c6:05:15:fd","state":"permanent"},"mode":"replace","undo":"delete"}"
  `);
});

test('a network without NAT has no egress link, no floating gateway and no default route', () => {
  const without = planNetwork(host, underlay, networkWithoutNat);
  for (const text of ['egr-', '192.168.15', '"default"']) {
    expect(lines(plan)).toContain(text);
    expect(lines(without)).not.toContain(text);
  }
  expect(without.filter(({ op }) => op === 'link.add')).toHaveLength(3);
});

test('a mesh NIC without an address gives a VXLAN link without a local address', () => {
  expect(lines(plan)).toContain('"local"');
  expect(lines(planNetwork(host, { index: 2 }, network))).not.toContain('"local"');
});

test('settings of the namespace precede its first link', () => {
  const position = (test: (operation: Operation) => boolean) => plan.findIndex(test);
  const firstPair = position((each) => each.op === 'link.add' && each.link.kind === 'veth');
  const settings = plan.flatMap((each, index) =>
    each.op === 'sysctl.set' && each.netns === network.uuid ? [index] : [],
  );
  expect(settings.length).toBeGreaterThan(0);
  for (const index of settings) expect(index).toBeLessThan(firstPair);
});

test('all links of the overlay have one MTU, those of the egress side the other', () => {
  const mtus = new Map<string, number | undefined>();
  for (const operation of plan) {
    if (operation.op !== 'link.add' || operation.link.kind === 'bridge') continue;
    mtus.set(operation.link.name, operation.link.mtu);
    if (operation.link.kind === 'veth') mtus.set(operation.link.data.peer.name ?? '', operation.link.data.peer.mtu);
  }
  expect(Object.fromEntries(mtus)).toEqual({
    'vxlan-e2300f': 8900,
    'veth-e2300f-o': 8900,
    'veth-e2300f-i': 8900,
    'egr-e2300f-o': 1500,
    'egr-e2300f-i': 1500,
  });
});

test('links on the host come up with IPv6 disabled', () => {
  const settled = new Set<number>();
  for (const operation of plan) {
    if (operation.op !== 'link.set' || operation.netns !== host.netns || !('index' in operation.link)) continue;
    if (operation.changes.inet6?.addressGeneration === 'none') settled.add(operation.link.index);
    if (operation.changes.up) expect(settled).toContain(operation.link.index);
  }
  expect(settled.size).toBe(4);
});

test('no IPv6 setting is planned without IPv6 in the kernel', () => {
  const keys = planNetwork({ ...host, ipv6: false }, underlay, network).flatMap((each) =>
    each.op === 'sysctl.set' ? [each.key] : [],
  );
  expect(keys.filter((key) => key.startsWith('ipv6/'))).toEqual([]);
  expect(keys).toContain('ipv4/ip_forward');
});

test('every port of a bridge forwards reserved addresses to the rules', () => {
  for (const index of [network.vxlan, network.inner.outer, network.egress?.outer]) {
    const up = plan.find(
      (each) => each.op === 'link.set' && each.changes.up === true && 'index' in each.link && each.link.index === index,
    );
    expect(up).toMatchObject({ changes: { port: { groupForwardMask: 0xfffd } } });
  }
});

test('the removal of a network', () => {
  expect(lines(planNetworkRemoval(host, network))).toMatchInlineSnapshot(`
    "{"op":"link.set","netns":"node1","link":{"index":2003},"changes":{"up":false,"group":1986360424}}
    {"op":"link.set","netns":"node1","link":{"index":2002},"changes":{"up":false,"group":1986360424}}
    {"op":"link.set","netns":"node1","link":{"index":2001},"changes":{"up":false,"group":1986360424}}
    {"op":"link.set","netns":"node1","link":{"index":2005},"changes":{"up":false,"group":1986360424}}
    {"op":"link.set","netns":"node1","link":{"index":2005},"changes":{"master":0}}
    {"op":"neighbour.delete","netns":"node1","neighbour":{"family":"inet","index":1000,"destination":"192.168.15.194"}}
    {"op":"nftables.batch","netns":"node1","commands":[{"command":"element.delete","family":"inet","table":"vethwork_mesh","set":"vnis","keyType":"mark","elements":[{"key":14823439}]}]}
    {"op":"namespace.delete","name":"17be6538-8f96-4ccb-b71e-a7e3022fead3"}"
  `);
});

test('nftables objects of a network are in its own namespace, except the VNI in the mesh filter', () => {
  const onHost = [addFilteredVni(host, network)];
  for (const of of [plan, planFloatingIp(host, network, floating)]) {
    const batches = of.filter((each) => each.op === 'nftables.batch');
    const others = batches.filter((each) => !onHost.some((known) => JSON.stringify(known) === JSON.stringify(each)));
    expect(new Set(others.map(({ netns }) => netns))).toEqual(new Set([network.uuid]));
  }
});
