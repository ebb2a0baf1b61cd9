import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Network } from '../../../src/api/types.js';
import { privileged } from '../../support/namespaces.js';
import { Walkthrough } from '../../support/walkthrough.js';

/** Words that dnsmasq takes for keywords or lease times, and one that it does not. */
const NAMES = ['web', 'ignore', 'infinite', '42', '5m', '2d', '7h', '1w', '30s', '0'];

describe.skipIf(!privileged)('names of instances', () => {
  let scene: Walkthrough;
  const networks: Network[] = [];

  beforeAll(async () => {
    scene = await Walkthrough.open();
    networks.push(await scene.network({ provideDns: true }));
    networks.push(await scene.network({ name: 'silent', netblock: '172.17.0.0/24', provideDns: false }));
  });
  afterAll(() => scene?.[Symbol.asyncDispose]());

  it.each(NAMES)('%s is taken literally', async (hostname) => {
    for (const [index, network] of networks.entries()) {
      const client = await scene.client(network, `${hostname}-${index}`, { hostname });
      expect(client.lease).toMatchObject({ ip: client.nic.info.address, hostname, lease: '3600' });
      if (index === 0) {
        const answer = await client.namespace.run('dig', '+short', '@172.16.0.1', `${hostname}.vethwork.internal`);
        expect(answer.trim()).toBe(client.nic.info.address);
      }
      await client.nic.detach();
    }
  });
});
