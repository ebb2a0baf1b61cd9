import { expect, test } from 'vitest';
import { planFloatingIp, planFloatingIpRemoval } from '../../../src/plan/floating-ip.js';
import { planRoutedIp, planRoutedIpRemoval } from '../../../src/plan/routed-ip.js';
import { floating, host, lines, network } from './fixtures.js';

test('the plan of a floating IP', () => {
  expect(lines(planFloatingIp(host, network, floating))).toMatchInlineSnapshot(`
    "{"op":"link.add","netns":"node1","link":{"kind":"veth","name":"flt-c0a80f1d-o","index":3001,"address":"fe:f1:c0:a8:0f:1d","mtu":1500,"master":1000,"txQueues":1,"rxQueues":1,"data":{"peer":{"name":"flt-c0a80f1d-i","index":3002,"address":"02:f1:c0:a8:0f:1d","mtu":1500,"netns":"17be6538-8f96-4ccb-b71e-a7e3022fead3","txQueues":1,"rxQueues":1}}}}
    {"op":"link.set","netns":"node1","link":{"index":3001},"changes":{"alias":"vethwork 17be6538-8f96-4ccb-b71e-a7e3022fead3","group":1996488704,"inet6":{"addressGeneration":"none"}}}
    {"op":"link.set","netns":"node1","link":{"index":3001},"changes":{"up":true,"port":{"groupForwardMask":65533}}}
    {"op":"neighbour.add","netns":"node1","neighbour":{"family":"bridge","index":3001,"address":"02:f1:c0:a8:0f:1d","master":true,"sticky":true,"state":"noarp"},"mode":"replace"}
    {"op":"neighbour.add","netns":"node1","neighbour":{"family":"inet","index":1000,"destination":"192.168.15.29","address":"02:f1:c0:a8:0f:1d","state":"permanent"},"mode":"replace","undo":"delete"}
    {"op":"link.set","netns":"17be6538-8f96-4ccb-b71e-a7e3022fead3","link":{"index":3002},"changes":{"alias":"vethwork 17be6538-8f96-4ccb-b71e-a7e3022fead3","inet":{"forwarding":1,"arpIgnore":1,"arpAnnounce":2,"rpFilter":2,"sendRedirects":0,"acceptRedirects":0,"arpNotify":1}}}
    {"op":"address.add","netns":"17be6538-8f96-4ccb-b71e-a7e3022fead3","address":{"index":3002,"address":"192.168.15.29/32"}}
    {"op":"link.set","netns":"17be6538-8f96-4ccb-b71e-a7e3022fead3","link":{"index":3002},"changes":{"up":true}}
    {"op":"route.add","netns":"17be6538-8f96-4ccb-b71e-a7e3022fead3","route":{"destination":"192.168.15.0/24","index":3002,"table":3002,"scope":"link","source":"192.168.15.29","protocol":"boot"}}
    {"op":"route.add","netns":"17be6538-8f96-4ccb-b71e-a7e3022fead3","route":{"destination":"default","gateway":"192.168.15.1","index":3002,"table":3002,"onlink":true,"protocol":"boot"}}
    {"op":"neighbour.add","netns":"17be6538-8f96-4ccb-b71e-a7e3022fead3","neighbour":{"family":"inet","index":3002,"destination":"192.168.15.1","address":"f6:d1:c6:05:15:fd","state":"permanent"},"mode":"replace","undo":"delete"}
    {"op":"rule.add","netns":"17be6538-8f96-4ccb-b71e-a7e3022fead3","rule":{"family":"inet","priority":1000,"mark":3002,"table":3002,"action":"lookup"}}
    {"op":"link.ipv6","netns":"node1","index":3001,"disabled":true}
    {"op":"nftables.batch","netns":"17be6538-8f96-4ccb-b71e-a7e3022fead3","commands":[{"command":"element.add","family":"ip","table":"vethwork","set":"floating","keyType":"ipv4_addr","dataType":"ipv4_addr","elements":[{"key":"192.168.15.29","data":"172.16.0.37"}],"exclusive":true},{"command":"element.add","family":"ip","table":"vethwork","set":"replies","keyType":"ipv4_addr","dataType":"mark","elements":[{"key":"192.168.15.29","data":3002}],"exclusive":true}]}
    {"op":"conntrack.delete","netns":"17be6538-8f96-4ccb-b71e-a7e3022fead3","filter":{"address":"192.168.15.29"}}"
  `);
});

test('the removal of a floating IP', () => {
  expect(lines(planFloatingIpRemoval(host, network, floating))).toMatchInlineSnapshot(`
    "{"op":"nftables.batch","netns":"17be6538-8f96-4ccb-b71e-a7e3022fead3","commands":[{"command":"element.delete","family":"ip","table":"vethwork","set":"floating","keyType":"ipv4_addr","dataType":"ipv4_addr","elements":[{"key":"192.168.15.29","data":"172.16.0.37"}]},{"command":"element.delete","family":"ip","table":"vethwork","set":"replies","keyType":"ipv4_addr","dataType":"mark","elements":[{"key":"192.168.15.29","data":3002}]}]}
    {"op":"rule.delete","netns":"17be6538-8f96-4ccb-b71e-a7e3022fead3","rule":{"family":"inet","priority":1000,"mark":3002,"table":3002,"action":"lookup"}}
    {"op":"link.set","netns":"17be6538-8f96-4ccb-b71e-a7e3022fead3","link":{"index":3002},"changes":{"up":false,"group":1986360424}}
    {"op":"link.set","netns":"17be6538-8f96-4ccb-b71e-a7e3022fead3","link":{"index":3002},"changes":{"master":0,"name":"dead00000bba"}}
    {"op":"conntrack.delete","netns":"17be6538-8f96-4ccb-b71e-a7e3022fead3","filter":{"address":"192.168.15.29"}}
    {"op":"link.set","netns":"node1","link":{"index":3001},"changes":{"up":false,"group":1986360424}}
    {"op":"link.set","netns":"node1","link":{"index":3001},"changes":{"master":0,"name":"dead00000bb9"}}
    {"op":"neighbour.delete","netns":"node1","neighbour":{"family":"inet","index":1000,"destination":"192.168.15.29"}}"
  `);
});

test('the plan of a routed IP', () => {
  expect(lines(planRoutedIp(host, network, '192.168.15.30'))).toMatchInlineSnapshot(`
    "{"op":"nftables.batch","netns":"node1","commands":[{"command":"element.add","family":"bridge","table":"vethwork","set":"routed","keyType":"mark . ipv4_addr","elements":[{"key":[14823439,"192.168.15.30"]}],"exclusive":true}]}
    {"op":"nftables.batch","netns":"node1","commands":[{"command":"element.add","family":"bridge","table":"vethwork","set":"answers","keyType":"devgroup . ipv4_addr","elements":[{"key":[2011312143,"192.168.15.30"]}],"exclusive":true}]}
    {"op":"route.add","netns":"node1","route":{"destination":"192.168.15.30/32","index":2001,"scope":"link","source":"192.168.15.1","protocol":"boot"}}
    {"op":"neighbour.add","netns":"node1","neighbour":{"family":"inet","index":1000,"destination":"192.168.15.30","proxy":true}}
    {"op":"route.add","netns":"17be6538-8f96-4ccb-b71e-a7e3022fead3","route":{"destination":"192.168.15.30/32","index":2004,"scope":"link","protocol":"boot"}}
    {"op":"nftables.batch","netns":"17be6538-8f96-4ccb-b71e-a7e3022fead3","commands":[{"command":"element.add","family":"ip","table":"vethwork","set":"routed","keyType":"ipv4_addr","elements":[{"key":"192.168.15.30"}],"exclusive":true}]}"
  `);
});

test('the removal of a routed IP', () => {
  expect(lines(planRoutedIpRemoval(host, network, '192.168.15.30'))).toMatchInlineSnapshot(`
    "{"op":"neighbour.delete","netns":"node1","neighbour":{"family":"inet","index":1000,"destination":"192.168.15.30","proxy":true}}
    {"op":"route.delete","netns":"node1","route":{"destination":"192.168.15.30/32","index":2001,"scope":"link","source":"192.168.15.1"}}
    {"op":"nftables.batch","netns":"node1","commands":[{"command":"element.delete","family":"bridge","table":"vethwork","set":"routed","keyType":"mark . ipv4_addr","elements":[{"key":[14823439,"192.168.15.30"]}]}]}
    {"op":"nftables.batch","netns":"node1","commands":[{"command":"element.delete","family":"bridge","table":"vethwork","set":"answers","keyType":"devgroup . ipv4_addr","elements":[{"key":[2011312143,"192.168.15.30"]}]}]}
    {"op":"neighbour.delete","netns":"node1","neighbour":{"family":"inet","index":2001,"destination":"192.168.15.30"}}
    {"op":"nftables.batch","netns":"17be6538-8f96-4ccb-b71e-a7e3022fead3","commands":[{"command":"element.delete","family":"ip","table":"vethwork","set":"routed","keyType":"ipv4_addr","elements":[{"key":"192.168.15.30"}]}]}
    {"op":"route.delete","netns":"17be6538-8f96-4ccb-b71e-a7e3022fead3","route":{"destination":"192.168.15.30/32","index":2004,"scope":"link"}}
    {"op":"neighbour.delete","netns":"17be6538-8f96-4ccb-b71e-a7e3022fead3","neighbour":{"family":"inet","index":2004,"destination":"192.168.15.30"}}
    {"op":"conntrack.delete","netns":"17be6538-8f96-4ccb-b71e-a7e3022fead3","filter":{"address":"192.168.15.30"}}
    {"op":"conntrack.delete","netns":"node1","filter":{"address":"192.168.15.30"}}"
  `);
});
