import { describe, expect, test } from 'vitest';
import { openKernel } from '../../../src/kernel/index.js';
import { eventually, privileged, sh, TestNamespace } from '../../support/namespaces.js';

describe.skipIf(!privileged)('namespace.sockets', () => {
  test('counts what ss lists, of any process', async () => {
    const namespace = await TestNamespace.create('sockets');
    const kernel = openKernel();
    const netns = namespace.name;
    const listed = async () =>
      (await sh('ss', '-N', netns, '-H', '-a', '-t', '-u', '-w', '-0')).split('\n').filter(Boolean).length;
    const count = () => kernel.query('namespace.sockets', { netns });
    try {
      await namespace.ip('link', 'set', 'lo', 'up');
      expect([await count(), await listed()]).toEqual([0, 0]);
      // Sockets of this process, which is in another namespace.
      const server = await kernel.listen({ netns, address: '127.0.0.1', port: 7000 });
      const client = await kernel.dial({ netns, address: '127.0.0.1', port: 7000 });
      const datagrams = await kernel.bind({ netns, address: '::1', port: 7001 });
      const found = await count();
      expect(found).toBeGreaterThanOrEqual(4);
      expect(found).toBe(await listed());
      client.destroy();
      server.close();
      datagrams.close();
      await eventually(async () => (await count()) === 0);
    } finally {
      await kernel.close();
      await namespace.remove();
    }
  });
});
