import { describe, expect, test } from 'vitest';
import { floatingMac, withPrefixOf } from '../../../src/plan/addresses.js';
import {
  containerLinkName,
  egressBridgeName,
  factsOfAlias,
  floatingNames,
  hostAlias,
  isHostAlias,
  networkAlias,
  networkNames,
  networkOfAlias,
  OVERLAY_BRIDGE_PREFIX,
  outOfServiceName,
  stateDirOfAlias,
} from '../../../src/plan/names.js';

const bytes = (name: string) => Buffer.byteLength(name);

describe('names of kernel objects', () => {
  test('are those of the walk-through', () => {
    expect(egressBridgeName('eth0')).toBe('egr-br-eth0');
    expect(networkNames(14823439)).toEqual({
      vxlan: 'vxlan-e2300f',
      bridge: 'br-vxlan-e2300f',
      innerOuter: 'veth-e2300f-o',
      innerInner: 'veth-e2300f-i',
      egressOuter: 'egr-e2300f-o',
      egressInner: 'egr-e2300f-i',
    });
    expect(floatingNames('192.168.15.29')).toEqual({ outer: 'flt-c0a80f1d-o', inner: 'flt-c0a80f1d-i' });
  });

  test('keep leading zeros and their length at both ends of each range', () => {
    expect(networkNames(1).vxlan).toBe('vxlan-000001');
    expect(floatingNames('10.0.0.1').outer).toBe('flt-0a000001-o');
    for (const vni of [1, 2 ** 24 - 1])
      for (const name of Object.values(networkNames(vni))) expect(bytes(name)).toBeLessThanOrEqual(15);
    for (const index of [1, 2 ** 31 - 1]) {
      expect(bytes(containerLinkName(index))).toBeLessThanOrEqual(15);
      expect(bytes(outOfServiceName(index))).toBeLessThanOrEqual(15);
    }
    expect(networkNames(7).bridge.startsWith(OVERLAY_BRIDGE_PREFIX)).toBe(true);
  });

  test('of egress bridges differ for NICs with the same first characters, and are short enough', () => {
    const nics = ['enp0s31f', 'enp0s31f6', 'enp0s31f6np0', 'enp0s31f6np1', 'enp0s31f6np1.10', 'ééééééé'];
    const names = nics.map(egressBridgeName);
    expect(new Set(names).size).toBe(nics.length);
    for (const name of names) {
      expect(bytes(name)).toBeLessThanOrEqual(15);
      expect(name).toMatch(/^egr-br-/);
    }
    expect(names[0]).toBe('egr-br-enp0s31f');
    expect(names[1]).toMatch(/^egr-br-enp[0-9a-f]{5}$/);
  });
});

test('the MAC of a floating address is unicast, locally administered and unique', () => {
  expect(floatingMac('192.168.15.29')).toBe('02:f1:c0:a8:0f:1d');
  expect(floatingMac('10.0.0.1')).toBe('02:f1:0a:00:00:01');
});

test('an address gets the prefix length of its network', () => {
  expect(withPrefixOf('192.168.15.0/24', '192.168.15.1')).toBe('192.168.15.1/24');
});

test('the alias of the egress bridge names the state folder, if it fits', () => {
  expect(hostAlias('/var/lib/vethwork')).toBe('vethwork:/var/lib/vethwork');
  for (const folder of ['/var/lib/vethwork', '/a b:c', `/${'x'.repeat(245)}`]) {
    expect(stateDirOfAlias(hostAlias(folder))).toBe(folder);
    expect(isHostAlias(hostAlias(folder))).toBe(true);
  }
  for (const folder of [undefined, `/${'x'.repeat(246)}`]) expect(hostAlias(folder)).toBe('vethwork');
  for (const alias of ['vethwork:', 'vethwork other', 'vethworker', undefined]) expect(isHostAlias(alias)).toBe(false);
});

describe('the alias of a link', () => {
  const uuid = '17be6538-8f96-4ccb-b71e-a7e3022fead3';

  test.each<Record<string, string>>([
    {},
    { name: 'demo', tenant: 'system' },
    { name: 'a b=c%20 ü\u{1f600}', tenant: 'x' },
    { mac: '02:00:00:bd:cd:9b', address: '172.16.0.232' },
  ])('keeps the network and the facts %j', (facts) => {
    const alias = networkAlias(uuid, facts);
    expect(networkOfAlias(alias)).toBe(uuid);
    expect(factsOfAlias(alias)).toEqual(facts);
    expect(alias).toMatch(/^[\x20-\x7e]+$/);
  });

  test('has only facts that fit', () => {
    const alias = networkAlias(uuid, { name: 'ü'.repeat(100), tenant: 'system' });
    expect(bytes(alias)).toBeLessThanOrEqual(255);
    expect(factsOfAlias(alias)).toEqual({ tenant: 'system' });
    expect(factsOfAlias(networkAlias(uuid, { name: '\ud800' }))).toEqual({ name: '\ufffd' });
  });

  test.each(['', 'vethwork', 'other', `vethwork ${uuid}`, `vethwork ${uuid} name=%zz`])('%j has no facts', (alias) => {
    expect(factsOfAlias(alias)).toEqual({});
  });
});
