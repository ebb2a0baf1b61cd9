import { describe, expect, test } from 'vitest';
import type { Operation } from '../../../src/kernel/operation.js';
import type { DesiredHost, DesiredNetwork } from '../../../src/plan/desired.js';
import { addFloating, addRouted, deleteFloating, deleteRouted, planRuleset } from '../../../src/plan/ruleset.js';
import { floating, host, lines, network, networkWithoutNat, uuid } from './fixtures.js';

const commands = (operation: Operation) => (operation.op === 'nftables.batch' ? operation.commands : []);

/** Comments of a chain's rules. */
function rules(chain: string, by: DesiredHost, of: DesiredNetwork): string[] {
  return commands(planRuleset(by, of)).flatMap((command) =>
    command.command === 'rule.add' && command.chain === chain ? [command.comment ?? ''] : [],
  );
}

describe('the ruleset of a namespace', () => {
  test('with NAT has these rules', () => {
    expect(lines(commands(planRuleset(host, network)))).toMatchInlineSnapshot(`
      "{"command":"table.add","family":"ip","name":"vethwork"}
      {"command":"set.add","family":"ip","table":"vethwork","name":"floating","keyType":"ipv4_addr","dataType":"ipv4_addr"}
      {"command":"set.add","family":"ip","table":"vethwork","name":"replies","keyType":"ipv4_addr","dataType":"mark"}
      {"command":"set.add","family":"ip","table":"vethwork","name":"routed","keyType":"ipv4_addr"}
      {"command":"set.add","family":"ip","table":"vethwork","name":"asked","keyType":"ipv4_addr","dynamic":true,"timeout":3000,"size":64}
      {"command":"chain.add","family":"ip","table":"vethwork","name":"prerouting","hook":{"type":"filter","hook":"prerouting","priority":-150}}
      {"command":"rule.add","family":"ip","table":"vethwork","chain":"prerouting","expressions":[{"expression":"ct","key":"direction","register":1},{"expression":"cmp","register":1,"operator":"eq","data":"01"},{"expression":"ct","key":"status","register":1},{"expression":"bitwise","sourceRegister":1,"register":1,"length":4,"mask":"20000000","xor":"00000000"},{"expression":"cmp","register":1,"operator":"neq","data":"00000000"},{"expression":"meta","key":"iifname","register":1},{"expression":"cmp","register":1,"operator":"eq","data":"766574682d6532333030662d69000000"},{"expression":"payload","base":"network","offset":16,"length":4,"register":1},{"expression":"cmp","register":1,"operator":"neq","data":"ac100001"},{"expression":"ct","key":"destinationIp","direction":"original","register":1},{"expression":"lookup","set":"replies","sourceRegister":1,"register":1},{"expression":"meta","key":"mark","sourceRegister":1}],"comment":"replies of floating addresses leave through their own links"}
      {"command":"chain.add","family":"ip","table":"vethwork","name":"dstnat","hook":{"type":"nat","hook":"prerouting","priority":-100}}
      {"command":"rule.add","family":"ip","table":"vethwork","chain":"dstnat","expressions":[{"expression":"payload","base":"network","offset":16,"length":4,"register":1},{"expression":"lookup","set":"floating","sourceRegister":1,"register":1},{"expression":"nat","type":"dnat","family":"ip","addressRegister":1}],"comment":"floating addresses"}
      {"command":"chain.add","family":"ip","table":"vethwork","name":"srcnat","hook":{"type":"nat","hook":"postrouting","priority":100}}
      {"command":"rule.add","family":"ip","table":"vethwork","chain":"srcnat","expressions":[{"expression":"payload","base":"network","offset":12,"length":4,"register":1},{"expression":"bitwise","sourceRegister":1,"register":1,"length":4,"mask":"ffffff00","xor":"00000000"},{"expression":"cmp","register":1,"operator":"eq","data":"ac100000"},{"expression":"meta","key":"oifname","register":1},{"expression":"cmp","register":1,"operator":"eq","data":"6567722d6532333030662d6900000000"},{"expression":"counter"},{"expression":"masquerade"}],"comment":"instances appear as the floating gateway"}
      {"command":"rule.add","family":"ip","table":"vethwork","chain":"srcnat","expressions":[{"expression":"meta","key":"iifname","register":1},{"expression":"cmp","register":1,"operator":"eq","data":"766574682d6532333030662d69000000"},{"expression":"meta","key":"oifname","register":1},{"expression":"cmp","register":1,"operator":"eq","data":"766574682d6532333030662d69000000"},{"expression":"ct","key":"status","register":1},{"expression":"bitwise","sourceRegister":1,"register":1,"length":4,"mask":"20000000","xor":"00000000"},{"expression":"cmp","register":1,"operator":"neq","data":"00000000"},{"expression":"counter"},{"expression":"masquerade"}],"comment":"instances reach floating addresses of their own network"}
      {"command":"chain.add","family":"ip","table":"vethwork","name":"forward","hook":{"type":"filter","hook":"forward","priority":0,"policy":"drop"}}
      {"command":"rule.add","family":"ip","table":"vethwork","chain":"forward","expressions":[{"expression":"ct","key":"state","register":1},{"expression":"bitwise","sourceRegister":1,"register":1,"length":4,"mask":"06000000","xor":"00000000"},{"expression":"cmp","register":1,"operator":"neq","data":"00000000"},{"expression":"immediate","verdict":"accept"}],"comment":"known connections"}
      {"command":"rule.add","family":"ip","table":"vethwork","chain":"forward","expressions":[{"expression":"ct","key":"status","register":1},{"expression":"bitwise","sourceRegister":1,"register":1,"length":4,"mask":"20000000","xor":"00000000"},{"expression":"cmp","register":1,"operator":"neq","data":"00000000"},{"expression":"counter"},{"expression":"immediate","verdict":"accept"}],"comment":"to floating addresses"}
      {"command":"rule.add","family":"ip","table":"vethwork","chain":"forward","expressions":[{"expression":"meta","key":"iifname","register":1},{"expression":"cmp","register":1,"operator":"eq","data":"766574682d6532333030662d69000000"},{"expression":"meta","key":"oifname","register":1},{"expression":"cmp","register":1,"operator":"eq","data":"6567722d6532333030662d6900000000"},{"expression":"payload","base":"network","offset":16,"length":4,"register":1},{"expression":"bitwise","sourceRegister":1,"register":1,"length":4,"mask":"ffff0000","xor":"00000000"},{"expression":"cmp","register":1,"operator":"eq","data":"a9fe0000"},{"expression":"counter"},{"expression":"immediate","verdict":"drop"}],"comment":"instances do not reach metadata services (169.254.0.0/16)"}
      {"command":"rule.add","family":"ip","table":"vethwork","chain":"forward","expressions":[{"expression":"meta","key":"iifname","register":1},{"expression":"cmp","register":1,"operator":"eq","data":"766574682d6532333030662d69000000"},{"expression":"meta","key":"oifname","register":1},{"expression":"cmp","register":1,"operator":"eq","data":"6567722d6532333030662d6900000000"},{"expression":"payload","base":"network","offset":16,"length":4,"register":1},{"expression":"cmp","register":1,"operator":"eq","data":"a83f8110"},{"expression":"counter"},{"expression":"immediate","verdict":"drop"}],"comment":"instances do not reach metadata services (168.63.129.16)"}
      {"command":"rule.add","family":"ip","table":"vethwork","chain":"forward","expressions":[{"expression":"meta","key":"iifname","register":1},{"expression":"cmp","register":1,"operator":"eq","data":"766574682d6532333030662d69000000"},{"expression":"meta","key":"oifname","register":1},{"expression":"cmp","register":1,"operator":"eq","data":"6567722d6532333030662d6900000000"},{"expression":"payload","base":"network","offset":16,"length":4,"register":1},{"expression":"cmp","register":1,"operator":"eq","data":"646464c8"},{"expression":"counter"},{"expression":"immediate","verdict":"drop"}],"comment":"instances do not reach metadata services (100.100.100.200)"}
      {"command":"rule.add","family":"ip","table":"vethwork","chain":"forward","expressions":[{"expression":"meta","key":"iifname","register":1},{"expression":"cmp","register":1,"operator":"eq","data":"766574682d6532333030662d69000000"},{"expression":"meta","key":"oifname","register":1},{"expression":"cmp","register":1,"operator":"eq","data":"6567722d6532333030662d6900000000"},{"expression":"payload","base":"network","offset":12,"length":4,"register":1},{"expression":"bitwise","sourceRegister":1,"register":1,"length":4,"mask":"ffffff00","xor":"00000000"},{"expression":"cmp","register":1,"operator":"eq","data":"ac100000"},{"expression":"payload","base":"network","offset":16,"length":4,"register":1},{"expression":"bitwise","sourceRegister":1,"register":1,"length":4,"mask":"ffffff00","xor":"00000000"},{"expression":"cmp","register":1,"operator":"eq","data":"c0a80f00"},{"expression":"payload","base":"network","offset":16,"length":4,"register":1},{"expression":"dynset","set":"asked","operation":"add","sourceRegister":1},{"expression":"counter"},{"expression":"immediate","verdict":"accept"}],"comment":"instances to few addresses of the floating network at a time"}
      {"command":"rule.add","family":"ip","table":"vethwork","chain":"forward","expressions":[{"expression":"meta","key":"iifname","register":1},{"expression":"cmp","register":1,"operator":"eq","data":"766574682d6532333030662d69000000"},{"expression":"meta","key":"oifname","register":1},{"expression":"cmp","register":1,"operator":"eq","data":"6567722d6532333030662d6900000000"},{"expression":"payload","base":"network","offset":12,"length":4,"register":1},{"expression":"bitwise","sourceRegister":1,"register":1,"length":4,"mask":"ffffff00","xor":"00000000"},{"expression":"cmp","register":1,"operator":"eq","data":"ac100000"},{"expression":"payload","base":"network","offset":16,"length":4,"register":1},{"expression":"bitwise","sourceRegister":1,"register":1,"length":4,"mask":"ffffff00","xor":"00000000"},{"expression":"cmp","register":1,"operator":"eq","data":"c0a80f00"},{"expression":"counter"},{"expression":"immediate","verdict":"drop"}],"comment":"instances to more of them"}
      {"command":"rule.add","family":"ip","table":"vethwork","chain":"forward","expressions":[{"expression":"meta","key":"iifname","register":1},{"expression":"cmp","register":1,"operator":"eq","data":"766574682d6532333030662d69000000"},{"expression":"meta","key":"oifname","register":1},{"expression":"cmp","register":1,"operator":"eq","data":"6567722d6532333030662d6900000000"},{"expression":"payload","base":"network","offset":12,"length":4,"register":1},{"expression":"bitwise","sourceRegister":1,"register":1,"length":4,"mask":"ffffff00","xor":"00000000"},{"expression":"cmp","register":1,"operator":"eq","data":"ac100000"},{"expression":"counter"},{"expression":"immediate","verdict":"accept"}],"comment":"instances to the outside"}
      {"command":"rule.add","family":"ip","table":"vethwork","chain":"forward","expressions":[{"expression":"meta","key":"iifname","register":1},{"expression":"cmp","register":1,"operator":"eq","data":"766574682d6532333030662d69000000"},{"expression":"meta","key":"oifname","register":1},{"expression":"cmp","register":1,"operator":"eq","data":"6567722d6532333030662d6900000000"},{"expression":"payload","base":"network","offset":12,"length":4,"register":1},{"expression":"lookup","set":"routed","sourceRegister":1},{"expression":"counter"},{"expression":"immediate","verdict":"accept"}],"comment":"replies of routed addresses"}
      {"command":"rule.add","family":"ip","table":"vethwork","chain":"forward","expressions":[{"expression":"meta","key":"iifname","register":1},{"expression":"cmp","register":1,"operator":"eq","data":"766574682d6532333030662d69000000"},{"expression":"meta","key":"oifname","register":1},{"expression":"cmp","register":1,"operator":"eq","data":"766574682d6532333030662d69000000"},{"expression":"payload","base":"network","offset":16,"length":4,"register":1},{"expression":"lookup","set":"routed","sourceRegister":1},{"expression":"counter"},{"expression":"immediate","verdict":"accept"}],"comment":"instances to routed addresses of their own network"}
      {"command":"rule.add","family":"ip","table":"vethwork","chain":"forward","expressions":[{"expression":"counter"},{"expression":"immediate","verdict":"drop"}],"comment":"everything else"}
      {"command":"chain.add","family":"ip","table":"vethwork","name":"input","hook":{"type":"filter","hook":"input","priority":0,"policy":"drop"}}
      {"command":"rule.add","family":"ip","table":"vethwork","chain":"input","expressions":[{"expression":"meta","key":"iifname","register":1},{"expression":"cmp","register":1,"operator":"eq","data":"6c6f0000000000000000000000000000"},{"expression":"immediate","verdict":"accept"}],"comment":"loopback"}
      {"command":"rule.add","family":"ip","table":"vethwork","chain":"input","expressions":[{"expression":"ct","key":"state","register":1},{"expression":"bitwise","sourceRegister":1,"register":1,"length":4,"mask":"06000000","xor":"00000000"},{"expression":"cmp","register":1,"operator":"neq","data":"00000000"},{"expression":"immediate","verdict":"accept"}],"comment":"known connections"}
      {"command":"rule.add","family":"ip","table":"vethwork","chain":"input","expressions":[{"expression":"meta","key":"l4proto","register":1},{"expression":"cmp","register":1,"operator":"eq","data":"01"},{"expression":"payload","base":"transport","offset":0,"length":1,"register":1},{"expression":"cmp","register":1,"operator":"eq","data":"08"},{"expression":"immediate","verdict":"accept"}],"comment":"ping"}
      {"command":"rule.add","family":"ip","table":"vethwork","chain":"input","expressions":[{"expression":"meta","key":"iifname","register":1},{"expression":"cmp","register":1,"operator":"eq","data":"766574682d6532333030662d69000000"},{"expression":"meta","key":"l4proto","register":1},{"expression":"cmp","register":1,"operator":"eq","data":"11"},{"expression":"payload","base":"transport","offset":2,"length":2,"register":1},{"expression":"cmp","register":1,"operator":"eq","data":"0043"},{"expression":"immediate","verdict":"accept"}],"comment":"DHCP"}
      {"command":"rule.add","family":"ip","table":"vethwork","chain":"input","expressions":[{"expression":"counter"},{"expression":"immediate","verdict":"drop"}],"comment":"everything else"}"
    `);
  });

  test('without NAT neither masquerades nor forwards to the outside', () => {
    expect(rules('srcnat', host, networkWithoutNat)).toEqual([
      'instances reach floating addresses of their own network',
    ]);
    expect(rules('forward', host, network)).toContain('instances to the outside');
    expect(rules('forward', host, networkWithoutNat)).not.toContain('instances to the outside');
    const egress = Buffer.from('egr-').toString('hex');
    expect(lines(commands(planRuleset(host, network)))).toContain(egress);
    expect(lines(commands(planRuleset(host, networkWithoutNat)))).not.toContain(egress);
  });

  test('opens port 67 only with DHCP and port 53 only with DNS', () => {
    expect(rules('input', host, network)).toEqual(['loopback', 'known connections', 'ping', 'DHCP', 'everything else']);
    expect(rules('input', host, { ...network, provideDhcp: false, provideDns: true })).toEqual([
      'loopback',
      'DNS over UDP',
      'DNS over UDP, too much',
      'known connections',
      'ping',
      'DNS over TCP',
      'DNS over TCP, too much',
      'everything else',
    ]);
  });

  test('is deterministic', () => {
    expect(planRuleset(host, network)).toEqual(planRuleset(host, structuredClone(network)));
  });
});

test('addresses are elements of sets and maps', () => {
  expect(
    lines([
      addFloating(uuid, floating),
      deleteFloating(uuid, floating),
      addRouted(uuid, '192.168.15.30'),
      deleteRouted(uuid, '192.168.15.30'),
    ]),
  ).toMatchInlineSnapshot(`
    "{"op":"nftables.batch","netns":"17be6538-8f96-4ccb-b71e-a7e3022fead3","commands":[{"command":"element.add","family":"ip","table":"vethwork","set":"floating","keyType":"ipv4_addr","dataType":"ipv4_addr","elements":[{"key":"192.168.15.29","data":"172.16.0.37"}],"exclusive":true},{"command":"element.add","family":"ip","table":"vethwork","set":"replies","keyType":"ipv4_addr","dataType":"mark","elements":[{"key":"192.168.15.29","data":3002}],"exclusive":true}]}
    {"op":"nftables.batch","netns":"17be6538-8f96-4ccb-b71e-a7e3022fead3","commands":[{"command":"element.delete","family":"ip","table":"vethwork","set":"floating","keyType":"ipv4_addr","dataType":"ipv4_addr","elements":[{"key":"192.168.15.29","data":"172.16.0.37"}]},{"command":"element.delete","family":"ip","table":"vethwork","set":"replies","keyType":"ipv4_addr","dataType":"mark","elements":[{"key":"192.168.15.29","data":3002}]}]}
    {"op":"nftables.batch","netns":"17be6538-8f96-4ccb-b71e-a7e3022fead3","commands":[{"command":"element.add","family":"ip","table":"vethwork","set":"routed","keyType":"ipv4_addr","elements":[{"key":"192.168.15.30"}],"exclusive":true}]}
    {"op":"nftables.batch","netns":"17be6538-8f96-4ccb-b71e-a7e3022fead3","commands":[{"command":"element.delete","family":"ip","table":"vethwork","set":"routed","keyType":"ipv4_addr","elements":[{"key":"192.168.15.30"}]}]}"
  `);
});
