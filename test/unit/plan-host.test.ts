import { expect, test } from 'vitest';
import { planHost, planHostRemoval } from '../../src/plan/host.js';
import { host, lines } from './plan-fixtures.js';

test('a host', () => {
  expect(lines(planHost(host))).toMatchInlineSnapshot(`
    "{"op":"link.add","netns":"node1","link":{"kind":"bridge","name":"egr-br-eth0","index":1000,"address":"f6:d1:c6:05:15:fd","mtu":1499,"data":{"stp":false,"forwardDelay":0,"multicastSnooping":false}}}
    {"op":"link.set","netns":"node1","link":{"index":1000},"changes":{"mtu":1500,"inet6":{"addressGeneration":"none"},"alias":"vethwork","inet":{"forwarding":1,"rpFilter":2,"arpIgnore":1,"arpAnnounce":2,"sendRedirects":0}}}
    {"op":"link.set","netns":"node1","link":{"index":1000},"changes":{"up":true}}
    {"op":"address.add","netns":"node1","address":{"index":1000,"address":"192.168.15.1/24"}}
    {"op":"sysctl.set","netns":"node1","key":"ipv4/ip_forward","value":1}
    {"op":"sysctl.set","netns":"node1","key":"ipv6/conf/egr-br-eth0/disable_ipv6","value":1}
    {"op":"sysctl.set","netns":"node1","key":"ipv4/neigh/egr-br-eth0/proxy_delay","value":0}
    {"op":"nftables.batch","netns":"node1","commands":[{"command":"table.add","family":"ip","name":"vethwork"},{"family":"ip","table":"vethwork","command":"chain.add","name":"input","hook":{"type":"filter","hook":"input","priority":0,"policy":"accept"}},{"family":"ip","table":"vethwork","command":"rule.add","chain":"input","expressions":[{"expression":"meta","key":"iifname","register":1},{"expression":"cmp","register":1,"operator":"eq","data":"62722d76786c616e2d"},{"expression":"counter"},{"expression":"immediate","verdict":"drop"}],"comment":"tenants do not reach the host"}]}"
  `);
});

test('outbound NAT is one more chain, for the floating network and the egress NIC only', () => {
  const [ruleset, withNat] = [host, { ...host, outboundNat: true }].map((each) => planHost(each).at(-1));
  const commands = (operation: typeof ruleset) => (operation?.op === 'nftables.batch' ? operation.commands : []);
  expect(commands(withNat).slice(0, commands(ruleset).length)).toEqual(commands(ruleset));
  expect(lines(commands(withNat).slice(commands(ruleset).length))).toMatchInlineSnapshot(`
    "{"family":"ip","table":"vethwork","command":"chain.add","name":"postrouting","hook":{"type":"nat","hook":"postrouting","priority":100}}
    {"family":"ip","table":"vethwork","command":"rule.add","chain":"postrouting","expressions":[{"expression":"payload","base":"network","offset":12,"length":4,"register":1},{"expression":"bitwise","sourceRegister":1,"register":1,"length":4,"mask":"ffffff00","xor":"00000000"},{"expression":"cmp","register":1,"operator":"eq","data":"c0a80f00"},{"expression":"meta","key":"oifname","register":1},{"expression":"cmp","register":1,"operator":"eq","data":"65746830000000000000000000000000"},{"expression":"counter"},{"expression":"masquerade"}],"comment":"outbound NAT of the floating network"}"
  `);
});

test('removing a host', () => {
  expect(lines(planHostRemoval(host))).toMatchInlineSnapshot(`
    "{"op":"nftables.batch","netns":"node1","commands":[{"command":"table.delete","family":"ip","name":"vethwork"}]}
    {"op":"link.delete","netns":"node1","link":{"index":1000}}"
  `);
});

test("nothing names the process's own namespace where another one stands for the host", () => {
  for (const operation of [...planHost(host), ...planHostRemoval(host)])
    expect(operation).toHaveProperty('netns', 'node1');
});
