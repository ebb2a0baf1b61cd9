import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Host, Network } from '../../../src/index.js';
import { TestHost } from '../../support/host.js';
import { rejection } from '../../support/kernel.js';
import { privileged } from '../../support/namespaces.js';

describe.skipIf(!privileged)('the deletion halo', () => {
  let machine: TestHost;
  let host: Host;
  let network: Network;

  beforeAll(async () => {
    machine = await TestHost.create({ deletionHalo: 600_000 });
    host = await machine.open();
    network = await host.createNetwork({ name: 'net', netblock: '172.16.0.0/24', provideDhcp: false });
  });

  afterAll(() => machine.remove());

  test('does not block an address for its own instance, but for all others', async () => {
    const first = await network.attach({ tap: 'own0', address: '172.16.0.9', instance: 'vm-a' });
    await first.detach();
    const blocked = { code: 'ERR_VETHWORK_CONFLICT', message: expect.stringContaining('released recently') };
    const address = '172.16.0.9';
    expect(await rejection(network.attach({ tap: 'own1', address, instance: 'vm-b' }))).toMatchObject(blocked);
    expect(await rejection(network.attach({ tap: 'own1', address }))).toMatchObject(blocked);
    const again = await network.attach({ tap: 'own1', address, instance: 'vm-a' });
    expect(again.info).toMatchObject({ address, instance: 'vm-a' });
    const used = await rejection(network.attach({ tap: 'own2', address, instance: 'vm-a' }));
    expect(used).toMatchObject({ code: 'ERR_VETHWORK_CONFLICT', message: expect.stringContaining('is in use') });
    // A halo of an interface without an instance belongs to nobody.
    await (await network.attach({ tap: 'own2', address: '172.16.0.10' })).detach();
    expect(await rejection(network.attach({ tap: 'own2', address: '172.16.0.10', instance: 'vm-a' }))).toMatchObject(
      blocked,
    );
    await again.detach();
  });
});
