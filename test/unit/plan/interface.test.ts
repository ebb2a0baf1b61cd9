import { expect, test } from 'vitest';
import type { Operation } from '../../../src/kernel/operation.js';
import { deleteMarkedLinks } from '../../../src/plan/deletion.js';
import type { DesiredAttachment, DesiredInterface } from '../../../src/plan/desired.js';
import { DELETION_GROUP } from '../../../src/plan/group.js';
import { deviceName, planInterface, planInterfaceRemoval } from '../../../src/plan/interface.js';
import { host, lines, network, networkWithoutNat, nic } from './fixtures.js';

const tap: DesiredAttachment = { kind: 'tap', name: 'vnet0', index: 4001, owner: 64055, multiQueue: true };
const veth: DesiredAttachment = {
  kind: 'veth',
  index: 4002,
  netns: '/run/netns/c1',
  innerName: 'eth0',
  innerIndex: 4003,
  configure: true,
};
const device: DesiredAttachment = { kind: 'device', name: 'vm7', index: 17, before: { mtu: 1500, up: false } };

test('the plan of a tap', () => {
  expect(lines(planInterface(host, network, nic(tap)))).toMatchInlineSnapshot(`
    "{"op":"tap.add","netns":"node1","tap":{"name":"vnet0","index":4001,"owner":64055,"multiQueue":true}}
    {"op":"link.ipv6","netns":"node1","index":4001,"disabled":true}
    {"op":"link.set","netns":"node1","link":{"index":4001},"changes":{"address":"fe:00:00:bd:cd:9b","mtu":8900,"master":2001,"alias":"vethwork 17be6538-8f96-4ccb-b71e-a7e3022fead3 mac=02:00:00:bd:cd:9b address=172.16.0.232","group":2011312143,"inet6":{"addressGeneration":"none"}}}
    {"op":"link.set","netns":"node1","link":{"index":4001},"changes":{"up":true,"port":{"groupForwardMask":65533}}}"
  `);
});

test('the plan of a configured container', () => {
  expect(lines(planInterface(host, network, nic(veth)))).toMatchInlineSnapshot(`
    "{"op":"link.add","netns":"node1","link":{"kind":"veth","name":"vnet-00000fa2","index":4002,"address":"fe:00:00:bd:cd:9b","mtu":8900,"master":2001,"txQueues":1,"rxQueues":1,"data":{"peer":{"name":"eth0","index":4003,"address":"02:00:00:bd:cd:9b","mtu":8900,"netns":"/run/netns/c1","txQueues":1,"rxQueues":1}}}}
    {"op":"link.ipv6","netns":"node1","index":4002,"disabled":true}
    {"op":"link.set","netns":"node1","link":{"index":4002},"changes":{"alias":"vethwork 17be6538-8f96-4ccb-b71e-a7e3022fead3 mac=02:00:00:bd:cd:9b address=172.16.0.232","group":2011312143,"inet6":{"addressGeneration":"none"}}}
    {"op":"link.set","netns":"node1","link":{"index":4002},"changes":{"up":true,"port":{"groupForwardMask":65533}}}
    {"op":"sysctl.set","netns":"/run/netns/c1","key":"ipv6/conf/eth0/accept_dad","value":0}
    {"op":"link.set","netns":"/run/netns/c1","link":{"index":1},"changes":{"up":true}}
    {"op":"link.set","netns":"/run/netns/c1","link":{"index":4003},"changes":{"inet":{"arpNotify":1}}}
    {"op":"address.add","netns":"/run/netns/c1","address":{"index":4003,"address":"172.16.0.232/24"}}
    {"op":"link.set","netns":"/run/netns/c1","link":{"index":4003},"changes":{"up":true}}
    {"op":"neighbour.add","netns":"/run/netns/c1","neighbour":{"family":"inet","index":4003,"destination":"172.16.0.1","address":"36:da:87:ea:ce:16","state":"permanent"},"mode":"replace","undo":"delete"}
    {"op":"route.add","netns":"/run/netns/c1","route":{"destination":"default","gateway":"172.16.0.1","index":4003,"protocol":"boot"}}"
  `);
});

test('a container whose port drops IPv6 gets no IPv6 address', () => {
  const settings = (of: DesiredInterface) =>
    planInterface(host, network, of).filter(
      (each) =>
        ('netns' in each && each.netns === veth.netns && each.op === 'sysctl.set') ||
        lines([each]).includes('arpNotify'),
    );
  expect(lines(settings({ ...nic(veth), guard: { allowedAddresses: [] } }))).toMatchInlineSnapshot(
    `"{"op":"link.set","netns":"/run/netns/c1","link":{"index":4003},"changes":{"inet":{"arpNotify":1},"inet6":{"addressGeneration":"none"}}}"`,
  );
  expect(lines(settings(nic(veth)))).toMatchInlineSnapshot(`
    "{"op":"sysctl.set","netns":"/run/netns/c1","key":"ipv6/conf/eth0/accept_dad","value":0}
    {"op":"link.set","netns":"/run/netns/c1","link":{"index":4003},"changes":{"inet":{"arpNotify":1}}}"
  `);
});

test('the first owner of an address does not announce it', () => {
  const plan = (isFirstOwner: boolean) => lines(planInterface(host, network, { ...nic(veth), isFirstOwner }));
  expect(plan(false)).toContain('arpNotify');
  expect(plan(true)).not.toContain('arpNotify');
});

test('a container that configures itself gets only the link', () => {
  const plan = planInterface(host, network, nic({ ...veth, configure: false }));
  expect(plan.filter(({ op }) => !['link.add', 'link.set', 'link.ipv6'].includes(op))).toEqual([]);
  expect(plan.every((operation) => 'netns' in operation && operation.netns === host.netns)).toBe(true);
});

test('a container has no default route without NAT, and one with its own metric for each further NIC', () => {
  const routes = (of: typeof network, order: number) =>
    planInterface(host, of, nic(veth, order)).filter(({ op }) => op === 'route.add');
  expect(routes(networkWithoutNat, 0)).toEqual([]);
  expect(lines([...routes(network, 0), ...routes(network, 2)])).toMatchInlineSnapshot(`
    "{"op":"route.add","netns":"/run/netns/c1","route":{"destination":"default","gateway":"172.16.0.1","index":4003,"protocol":"boot"}}
    {"op":"route.add","netns":"/run/netns/c1","route":{"destination":"default","gateway":"172.16.0.1","index":4003,"metric":2,"protocol":"boot"}}"
  `);
});

test('the plan of an existing device', () => {
  expect(lines(planInterface(host, network, nic(device)))).toMatchInlineSnapshot(`
    "{"op":"link.set","netns":"node1","link":{"index":17},"changes":{"mtu":8900,"master":2001},"undo":{"mtu":1500,"master":0}}
    {"op":"link.set","netns":"node1","link":{"index":17},"changes":{"up":true,"port":{"groupForwardMask":65533}},"undo":{"up":false}}"
  `);
});

test('a device gets its settings back after it has left the bridge', () => {
  const before = { mtu: 1500, up: false, group: 7, ipv6: true };
  const own = nic({ ...device, before });
  expect(lines(planInterface(host, network, own))).toMatchInlineSnapshot(`
    "{"op":"link.ipv6","netns":"node1","index":17,"disabled":true}
    {"op":"link.set","netns":"node1","link":{"index":17},"changes":{"mtu":8900,"master":2001,"group":2011312143},"undo":{"mtu":1500,"master":0,"group":7}}
    {"op":"link.set","netns":"node1","link":{"index":17},"changes":{"up":true,"port":{"groupForwardMask":65533}},"undo":{"up":false}}"
  `);
  expect(lines(planInterfaceRemoval(host, network, own).slice(0, 4))).toMatchInlineSnapshot(`
    "{"op":"link.set","netns":"node1","link":{"index":17},"changes":{"up":false}}
    {"op":"link.set","netns":"node1","link":{"index":17},"changes":{"master":0,"group":7}}
    {"op":"link.set","netns":"node1","link":{"index":17},"changes":{"mtu":1500}}
    {"op":"link.ipv6","netns":"node1","index":17,"disabled":false}"
  `);
});

test('a guarded interface gets a static forwarding entry before its link is up, others get none', () => {
  const isPlace = (each: Operation) => each.op === 'neighbour.add' && each.neighbour.family === 'bridge';
  for (const attachment of [tap, veth, device]) {
    const guarded = planInterface(host, network, { ...nic(attachment), guard: { allowedAddresses: [] } });
    const fixed = guarded.findIndex(isPlace);
    const up = guarded.findIndex((each) => each.op === 'link.set' && each.changes.up === true);
    expect(guarded[fixed]).toMatchObject({
      neighbour: { address: nic(attachment).mac, sticky: true },
      mode: 'replace',
    });
    expect(fixed).toBeLessThan(up);
    expect(planInterface(host, network, nic(attachment)).some(isPlace)).toBe(false);
  }
});

test('the removal of an interface', () => {
  expect(lines(planInterfaceRemoval(host, network, nic(tap)))).toMatchInlineSnapshot(`
    "{"op":"link.set","netns":"node1","link":{"index":4001},"changes":{"up":false,"group":1986360424}}
    {"op":"link.set","netns":"node1","link":{"index":4001},"changes":{"master":0,"name":"dead00000fa1"}}
    {"op":"neighbour.delete","netns":"17be6538-8f96-4ccb-b71e-a7e3022fead3","neighbour":{"family":"inet","index":2004,"destination":"172.16.0.232"}}
    {"op":"conntrack.delete","netns":"17be6538-8f96-4ccb-b71e-a7e3022fead3","filter":{"address":"172.16.0.232"}}"
  `);
  expect(lines(planInterfaceRemoval(host, network, nic(veth)))).toMatchInlineSnapshot(`
    "{"op":"link.set","netns":"/run/netns/c1","link":{"index":4003},"changes":{"up":false,"group":1986360424}}
    {"op":"link.set","netns":"/run/netns/c1","link":{"index":4003},"changes":{"master":0,"name":"dead00000fa3"}}
    {"op":"link.set","netns":"node1","link":{"index":4002},"changes":{"up":false,"group":1986360424}}
    {"op":"link.set","netns":"node1","link":{"index":4002},"changes":{"master":0}}
    {"op":"neighbour.delete","netns":"17be6538-8f96-4ccb-b71e-a7e3022fead3","neighbour":{"family":"inet","index":2004,"destination":"172.16.0.232"}}
    {"op":"conntrack.delete","netns":"17be6538-8f96-4ccb-b71e-a7e3022fead3","filter":{"address":"172.16.0.232"}}"
  `);
  expect(lines(planInterfaceRemoval(host, network, nic(device)))).toMatchInlineSnapshot(`
    "{"op":"link.set","netns":"node1","link":{"index":17},"changes":{"up":false}}
    {"op":"link.set","netns":"node1","link":{"index":17},"changes":{"master":0}}
    {"op":"link.set","netns":"node1","link":{"index":17},"changes":{"mtu":1500}}
    {"op":"neighbour.delete","netns":"17be6538-8f96-4ccb-b71e-a7e3022fead3","neighbour":{"family":"inet","index":2004,"destination":"172.16.0.232"}}
    {"op":"conntrack.delete","netns":"17be6538-8f96-4ccb-b71e-a7e3022fead3","filter":{"address":"172.16.0.232"}}"
  `);
});

test('device names', () => {
  expect([tap, veth, device].map(deviceName)).toEqual(['vnet0', 'vnet-00000fa2', 'vm7']);
});

test('the reaper deletes links by group, in one operation', () => {
  expect(deleteMarkedLinks('node1')).toEqual([{ op: 'link.delete', netns: 'node1', link: { group: DELETION_GROUP } }]);
});
