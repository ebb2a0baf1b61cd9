import { describe, expect, test } from 'vitest';
import { ValidationError } from '../../../src/errors.js';
import type { Operation } from '../../../src/kernel/index.js';
import { ipLinks, openStage, rejection } from '../../support/kernel.js';
import { privileged } from '../../support/namespaces.js';

describe.skipIf(!privileged)('invalid links', () => {
  test.each<[string, unknown, string]>([
    ['link.name', { kind: 'bridge', name: 'sixteen-bytes-xx' }, 'operations[1].link.name'],
    ['an empty name', { kind: 'bridge', name: '' }, 'operations[1].link.name'],
    ['a name with a slash', { kind: 'bridge', name: 'a/b' }, 'operations[1].link.name'],
    ['a name with a space', { kind: 'bridge', name: 'a b' }, 'operations[1].link.name'],
    ['a name that the kernel would complete', { kind: 'bridge', name: 'a%d' }, 'operations[1].link.name'],
    ['a name with NUL', { kind: 'bridge', name: 'a\0b' }, 'operations[1].link.name'],
    ['no name', { kind: 'bridge' }, 'operations[1].link.name'],
    ['an MTU below what IPv4 needs', { kind: 'bridge', name: 'a', mtu: 67 }, 'operations[1].link.mtu'],
    ['an MTU that is no integer', { kind: 'bridge', name: 'a', mtu: 1400.5 }, 'operations[1].link.mtu'],
    ['an MTU as text', { kind: 'bridge', name: 'a', mtu: '1400' }, 'operations[1].link.mtu'],
    ['a multicast MAC', { kind: 'bridge', name: 'a', address: '03:00:00:00:00:01' }, 'operations[1].link.address'],
    ['a MAC too short', { kind: 'bridge', name: 'a', address: '02:00:00:00:00' }, 'operations[1].link.address'],
    ['an index of 0', { kind: 'bridge', name: 'a', index: 0 }, 'operations[1].link.index'],
    ['an index of 2^31', { kind: 'bridge', name: 'a', index: 2 ** 31 }, 'operations[1].link.index'],
    ['an unknown kind', { kind: 'token-ring', name: 'a' }, 'operations[1].link.kind'],
    ['an unknown property', { kind: 'bridge', name: 'a', colour: 1 }, 'operations[1].link.colour'],
    ['a reported property', { kind: 'bridge', name: 'a', carrier: true }, 'operations[1].link.carrier'],
    ['an alias on creation', { kind: 'bridge', name: 'a', alias: 'b' }, 'operations[1].link.alias'],
    ['an option of another kind', { kind: 'bridge', name: 'a', data: { id: 1 } }, 'operations[1].link.data.id'],
    ['a vxlan without id', { kind: 'vxlan', name: 'a' }, 'operations[1].link.data.id'],
    ['a VNI of 0', { kind: 'vxlan', name: 'a', data: { id: 0 } }, 'operations[1].link.data.id'],
    ['a VNI of 2^24', { kind: 'vxlan', name: 'a', data: { id: 2 ** 24 } }, 'operations[1].link.data.id'],
    ['a port of 65536', { kind: 'vxlan', name: 'a', data: { id: 1, port: 65536 } }, 'operations[1].link.data.port'],
    [
      'a port range upside down',
      { kind: 'vxlan', name: 'a', data: { id: 1, portRange: { low: 2, high: 1 } } },
      'operations[1].link.data.portRange',
    ],
    ['a veth without peer', { kind: 'veth', name: 'a' }, 'operations[1].link.data.peer'],
    [
      'a master for the peer, which the kernel ignores',
      { kind: 'veth', name: 'a', data: { peer: { name: 'b', master: 5 } } },
      'operations[1].link.data.peer.master',
    ],
    [
      "the peer's name",
      { kind: 'veth', name: 'a', data: { peer: { name: 'sixteen-bytes-xx' } } },
      'operations[1].link.data.peer.name',
    ],
  ])('are rejected before anything is sent: %s', async (_, link, field) => {
    await using stage = await openStage();
    const { kernel, netns } = stage;
    const error = await rejection(
      kernel.transaction([
        { op: 'link.add', netns, link: { kind: 'bridge', name: 'first' } },
        { op: 'link.add', netns, link } as Operation,
      ]),
    );
    expect(error).toBeInstanceOf(ValidationError);
    expect(error).toMatchObject({ field, expected: expect.any(String) });
    expect((await ipLinks(stage.namespace)).map(({ ifname }) => ifname)).toEqual(['lo']);
  });
});
