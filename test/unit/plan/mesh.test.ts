import { describe, expect, test } from 'vitest';
import { bridgeMacOf, type DesiredMesh, meshChanges, meshEntries } from '../../../src/plan/mesh.js';

const mesh: DesiredMesh = {
  vxlan: 10,
  bridge: 11,
  self: 'node2',
  participants: { node1: '10.0.0.1', node2: '10.0.0.2', node3: '10.0.0.3', node4: undefined },
  locations: [
    { mac: '02:00:00:00:00:01', address: '172.16.0.1', node: 'node1' },
    { mac: '02:00:00:00:00:02', address: '172.16.0.2', node: 'node2' },
    { mac: '02:00:00:00:00:03', address: '172.16.0.3', node: 'node3' },
    { mac: '02:00:00:00:00:04', address: '172.16.0.4', node: 'node4' },
    { mac: '02:00:00:00:00:05', node: 'node1' },
  ],
  arpSuppression: true,
};

const flood = (entries: ReturnType<typeof meshEntries>) =>
  entries.filter(({ address }) => address === '00:00:00:00:00:00').map(({ destination }) => destination);

describe('mesh entries of a node', () => {
  test('flood to every other reachable participant, once', () => {
    expect(flood(meshEntries(mesh))).toEqual(['10.0.0.1', '10.0.0.3']);
  });

  test.each([
    ['it is listed under another name', { ...mesh.participants, old: '10.0.0.2' }],
    ['two nodes have moved to one address', { ...mesh.participants, node1: '10.0.0.3' }],
    ['another node claims its address', { ...mesh.participants, node3: '10.0.0.2' }],
  ])('never list the node itself, nor another node twice: %s', (_case, participants) => {
    const listed = flood(meshEntries({ ...mesh, participants }));
    expect(listed).not.toContain('10.0.0.2');
    expect(new Set(listed).size).toBe(listed.length);
  });

  test('list the locations of MACs, and answer ARP for addresses on reachable nodes', () => {
    const entries = meshEntries(mesh);
    const behind = entries.filter(({ self, address }) => self && address !== '00:00:00:00:00:00');
    expect(behind.map(({ address, destination }) => [address, destination])).toEqual([
      ['02:00:00:00:00:01', '10.0.0.1'],
      ['02:00:00:00:00:03', '10.0.0.3'],
      ['02:00:00:00:00:05', '10.0.0.1'],
    ]);
    const answers = entries.filter(({ family }) => family === 'inet');
    expect(answers.map(({ destination }) => destination)).toEqual(['172.16.0.1', '172.16.0.2', '172.16.0.3']);
  });

  test('only flood without ARP suppression', () => {
    expect(meshEntries({ ...mesh, arpSuppression: false })).toHaveLength(2);
  });

  test('pin the gateway also without ARP suppression', () => {
    const locations = mesh.locations.map((place) => ({ ...place, pinned: place.address === '172.16.0.1' }));
    const [held, ...rest] = meshEntries({ ...mesh, locations, arpSuppression: false }).slice(2);
    expect(held).toMatchObject({ family: 'bridge', index: 10, address: '02:00:00:00:00:01', sticky: true });
    expect(rest).toEqual([]);
    const quiet = { ...mesh, locations, arpSuppression: false };
    expect(meshChanges('host', quiet, meshEntries(quiet))).toEqual([]);
  });
});

describe('changes of mesh entries', () => {
  const applied = (changes: ReturnType<typeof meshChanges>) =>
    changes.map((each) => {
      if (each.op !== 'neighbour.add' && each.op !== 'neighbour.delete') throw new Error(each.op);
      return `${each.op === 'neighbour.add' ? '+' : '-'} ${each.neighbour.address} ${each.neighbour.destination}`;
    });

  test('are none if all entries are as desired', () => {
    expect(meshChanges('host', mesh, meshEntries(mesh))).toEqual([]);
  });

  test('move the entry of a moved instance', () => {
    const locations = mesh.locations.map((place) => (place.node === 'node3' ? { ...place, node: 'node1' } : place));
    expect(applied(meshChanges('host', { ...mesh, locations }, meshEntries(mesh)))).toEqual([
      '- 02:00:00:00:00:03 10.0.0.3',
      '+ 02:00:00:00:00:03 10.0.0.1',
    ]);
  });

  test('replace the MAC of an address with another owner', () => {
    const locations = mesh.locations.map((place) =>
      place.address === '172.16.0.2' ? { ...place, mac: '02:00:00:00:00:22' } : place,
    );
    expect(applied(meshChanges('host', { ...mesh, locations }, meshEntries(mesh)))).toEqual([
      '- undefined 172.16.0.2',
      '+ 02:00:00:00:00:22 172.16.0.2',
    ]);
  });

  test('leave entries of other links, and own entries of the links', () => {
    const others = [
      {
        family: 'bridge',
        index: 12,
        address: '02:00:00:00:00:09',
        destination: '10.0.0.9',
        self: true,
        state: 'permanent',
      },
      { family: 'bridge', index: 10, address: '06:00:00:00:00:09', state: 'permanent' },
      { family: 'inet', index: 11, destination: '172.16.0.9', address: '02:00:00:00:00:09', state: 'reachable' },
    ] as const;
    expect(meshChanges('host', mesh, [...meshEntries(mesh), ...others])).toEqual([]);
  });

  test('delete learned entries with ARP suppression, and keep them without', () => {
    const learnt = {
      family: 'bridge',
      index: 10,
      address: '02:00:00:00:00:66',
      destination: '10.0.0.3',
      self: true,
      state: 'reachable',
    } as const;
    expect(applied(meshChanges('host', mesh, [...meshEntries(mesh), learnt]))).toEqual([
      '- 02:00:00:00:00:66 10.0.0.3',
    ]);
    const flooding = { ...mesh, arpSuppression: false };
    expect(meshChanges('host', flooding, [...meshEntries(flooding), learnt])).toEqual([]);
  });
});

test('the MAC of a bridge is unique for each node, local and unicast', () => {
  const macs = ['node1', 'node2', 'node3'].map((node) => bridgeMacOf('02:11:22:33:44:55', node));
  expect(new Set(macs).size).toBe(3);
  for (const mac of macs) expect(mac).toMatch(/^06(:[0-9a-f]{2}){5}$/);
});
