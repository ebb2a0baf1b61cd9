import { describe, expect, test } from 'vitest';
import { KernelError, ValidationError } from '../../../src/errors.js';
import type { LinkKind, LinkSpec } from '../../../src/kernel/index.js';
import { ipLink, openStage } from '../../support/kernel.js';
import { attempt, privileged, type TestNamespace } from '../../support/namespaces.js';

/** A kind of link, made by us and by ip. Each namespace has a veth `lower` with the index 5000 to be on top of. */
interface Case {
  spec: Partial<LinkSpec>;
  /** What `ip link add [link lower] name made type <kind>` wants in addition. */
  ip: string[];
}

const lower = 5000;

const kinds: { [Kind in LinkKind]?: Case } = {
  bridge: { spec: { data: { ageingTime: 77, stp: true } }, ip: ['ageing_time', '7700', 'stp_state', '1'] },
  vxlan: { spec: { data: { id: 42, port: 4789 } }, ip: ['id', '42', 'dstport', '4789'] },
  macvlan: { spec: { link: lower, data: { mode: 'bridge', flags: 2 } }, ip: ['mode', 'bridge', 'nodst'] },
  ifb: { spec: { txQueueLength: 32 }, ip: [] },
  dummy: { spec: {}, ip: [] },
  ipvlan: { spec: { link: lower, data: { mode: 'l2', isolation: 'private' } }, ip: ['mode', 'l2', 'private'] },
  vrf: { spec: { data: { table: 77 } }, ip: ['table', '77'] },
  vlan: { spec: { link: lower, data: { id: 7, flags: { gvrp: true } } }, ip: ['id', '7', 'gvrp', 'on'] },
};

async function withLower(namespace: TestNamespace): Promise<void> {
  await namespace.ip('link', 'add', 'name', 'lower', 'index', `${lower}`, 'type', 'veth', 'peer', 'name', 'other');
}

describe.skipIf(!privileged)('kinds of links', () => {
  test.each(Object.entries(kinds))('%s: equals the link of ip, or both are rejected', async (kind, { spec, ip }) => {
    await using stage = await openStage(2);
    const [ours, theirs] = stage.namespaces as [TestNamespace, TestNamespace];
    await Promise.all([withLower(ours), withLower(theirs)]);
    const below = spec.link === undefined ? [] : ['link', 'lower'];
    const made = ['link', 'add', ...below, 'name', 'made', 'index', '5001', 'type', kind, ...ip];
    const { exitCode, stderr } = await attempt('ip', '-n', theirs.name, ...made);
    // Networks use these kinds.
    if (kind === 'bridge' || kind === 'vxlan') expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });

    const link = { ...spec, kind, name: 'made', index: 5001 } as LinkSpec;
    const adding = stage.kernel.transaction([{ op: 'link.add', netns: ours.name, link }]);
    if (exitCode !== 0) {
      // The kernel does not support it.
      expect(stderr).toMatch(/Unknown device type|not supported/);
      const error = await adding.catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(KernelError);
      expect(error).toMatchObject({ code: 'ENOTSUP', operation: `create ${kind} made`, extack: 'Unknown device type' });
      return;
    }
    await adding;
    const [shown, expected] = await Promise.all([ipLink(ours, 'made'), ipLink(theirs, 'made')]);
    expect(shown.linkinfo).toMatchObject({ info_kind: kind });
    expect(withoutIdentity(shown)).toEqual(withoutIdentity(expected));
    const read = await stage.kernel.query('link.get', { netns: ours.name, link: { name: 'made' } });
    expect(read).toMatchObject({ ...spec, kind, index: 5001 });
    const unknown = Object.keys(read.data ?? {}).filter((key) => key.startsWith('attribute'));
    expect(unknown).toEqual([]);
  });

  test('only stacked kinds accept the option link', async () => {
    await using stage = await openStage();
    await withLower(stage.namespace);
    const { kernel, netns } = stage;
    const bridge = { kind: 'bridge', name: 'made', link: lower } as const;
    const peer = { kind: 'veth', name: 'made', data: { peer: { name: 'far', link: lower } } } as const;
    for (const link of [bridge, peer] satisfies LinkSpec[]) {
      const error = await kernel.transaction([{ op: 'link.add', netns, link }]).catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(ValidationError);
      expect(error).toMatchObject({ field: expect.stringMatching(/link\.(data\.peer\.)?link$/) });
    }
    const changed = kernel.transaction([{ op: 'link.set', netns, link: { index: lower }, changes: { link: 1 } }]);
    await expect(changed).rejects.toThrow(ValidationError);
  });
});

/** Without what is made up anew for each link. */
function withoutIdentity(link: object): unknown {
  const text = JSON.stringify(link, (key, value) =>
    /^(address|(bridge|root)_id|.*_timer)$/.test(key) ? undefined : value,
  );
  return JSON.parse(text);
}
