import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Host, Interface, Network } from '../../../src/index.js';
import { TestHost } from '../../support/host.js';
import { attempt, eventually, privileged, sh } from '../../support/namespaces.js';

/** What is removed, with a positive control: `exists` is true before. */
interface Removal {
  remove: (signal: AbortSignal) => Promise<unknown>;
  exists: () => Promise<boolean>;
  /** Names of links or elements in the kernel that belong to it. */
  traces: () => Promise<string>;
}

const kinds = ['detach', 'defloat', 'unroute', 'delete'] as const;
const moments = [
  ['its record is marked', 'tracing:vethwork:store:asyncEnd', /"state":"deleting"/],
  ['the kernel is about to be changed', 'tracing:vethwork:kernel:start', /"teardown"/],
  ['the kernel has been changed', 'tracing:vethwork:kernel:asyncEnd', /"teardown"/],
] as const;

describe.skipIf(!privileged)('an aborted removal', () => {
  let machine: TestHost;
  let host: Host;

  beforeAll(async () => {
    machine = await TestHost.create({ deletionHalo: 0 });
    host = await machine.open();
  });
  afterAll(() => machine.remove());

  const rules = async (network: Network) => {
    // Fails when the namespace is deleted.
    const inside = await attempt('ip', 'netns', 'exec', network.uuid, 'nft', 'list', 'table', 'ip', 'vethwork');
    return inside.stdout + (await machine.node.ip('-o', 'link'));
  };

  /** Creates a network and what is to be removed of it. */
  async function prepare(kind: (typeof kinds)[number]): Promise<{ network: Network; removal: Removal }> {
    const network = await host.createNetwork({ name: 'aborted', netblock: '172.16.0.0/24', provideDhcp: false });
    const find = <Found>(found: Promise<Found>) =>
      found.then(
        () => true,
        () => false,
      );
    if (kind === 'delete') {
      return {
        network,
        removal: {
          remove: (signal) => network.delete({ signal }),
          exists: () => find(host.getNetwork(network.uuid)),
          traces: async () => ((await sh('ip', 'netns')).includes(network.uuid) ? network.uuid : ''),
        },
      };
    }
    if (kind === 'unroute') {
      const address = await network.routeAddress();
      return {
        network,
        removal: {
          remove: (signal) => network.unrouteAddress(address, { signal }),
          exists: async () => (await network.refresh()).routedAddresses.includes(address),
          traces: async () => (await rules(network)).match(address.replaceAll('.', '\\.'))?.[0] ?? '',
        },
      };
    }
    const nic: Interface = await network.attach({ tap: 'doomed0' });
    if (kind === 'detach') {
      return {
        network,
        removal: {
          remove: (signal) => nic.detach({ signal }),
          exists: () => find(host.getInterface(nic.uuid)),
          traces: async () => (await rules(network)).match(/doomed0/)?.[0] ?? '',
        },
      };
    }
    const address = await nic.float();
    return {
      network,
      removal: {
        remove: (signal) => nic.defloat({ signal }),
        exists: async () => (await nic.refresh()).floating !== undefined,
        traces: async () => (await rules(network)).match(address.replaceAll('.', '\\.'))?.[0] ?? '',
      },
    };
  }

  test.each(kinds)('%s that is aborted before it begins changes nothing', async (kind) => {
    const { network, removal } = await prepare(kind);
    await expect(removal.remove(AbortSignal.abort())).rejects.toMatchObject({ name: 'AbortError' });
    expect(await removal.exists()).toBe(true);
    expect(await removal.traces()).not.toBe('');
    expect(await host.reconcile({ dryRun: true })).toEqual([]);
    await network.delete();
  });

  test.each(kinds.flatMap((kind) => moments.map(([when, channel, pattern]) => ({ kind, when, channel, pattern }))))(
    '$kind that is aborted when $when rejects, and is completed',
    async ({ kind, channel, pattern }) => {
      const { network, removal } = await prepare(kind);
      expect(await removal.exists()).toBe(true);
      expect(await removal.traces()).not.toBe('');
      const controller = new AbortController();
      const abort = (trace: unknown) => {
        const { action, commit } = trace as { action?: unknown; commit?: unknown };
        if (pattern.test(JSON.stringify(commit ?? action ?? ''))) controller.abort();
      };
      subscribe(channel, abort);
      try {
        await expect(removal.remove(controller.signal)).rejects.toMatchObject({ name: 'AbortError' });
      } finally {
        unsubscribe(channel, abort);
      }
      await eventually(async () => !(await removal.exists()));
      expect(await removal.traces()).toBe('');
      expect(await host.reconcile({ dryRun: true })).toEqual([]);
      await network.delete();
    },
  );

  test.each(kinds)('%s that is aborted is complete when the host is closed', async (kind) => {
    const { network, removal } = await prepare(kind);
    const controller = new AbortController();
    const abort = () => controller.abort();
    subscribe('tracing:vethwork:kernel:start', abort);
    try {
      await expect(removal.remove(controller.signal)).rejects.toMatchObject({ name: 'AbortError' });
    } finally {
      unsubscribe('tracing:vethwork:kernel:start', abort);
    }
    await machine.close();
    expect(await removal.traces()).toBe('');
    host = await machine.open();
    expect(await host.reconcile({ dryRun: true })).toEqual([]);
    if (kind !== 'delete') await (await host.getNetwork(network.uuid)).delete();
    expect(await host.listNetworks()).toEqual([]);
  });
});
