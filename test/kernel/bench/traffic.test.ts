import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { measurePath, type Path, verifyPath } from '../../../src/bench/traffic.js';
import { VerificationError } from '../../../src/bench/verify.js';
import { type Kernel, openKernel } from '../../../src/kernel/index.js';
import { privileged, TestNamespace } from '../../support/namespaces.js';

/** Two namespaces with a veth pair: nothing is translated. */
describe.skipIf(!privileged)('the data path of the benchmark', () => {
  let kernel: Kernel;
  let [client, server]: TestNamespace[] = [];
  let path: Path;

  beforeAll(async () => {
    kernel = openKernel();
    [client, server] = [await TestNamespace.create('client'), await TestNamespace.create('server')];
    await client.ip('link', 'add', 'v0', 'up', 'type', 'veth', 'peer', 'name', 'v1', 'netns', server.name);
    await server.ip('link', 'set', 'v1', 'up');
    await client.ip('address', 'add', '192.0.2.1/24', 'dev', 'v0');
    await server.ip('address', 'add', '192.0.2.2/24', 'dev', 'v1');
    path = { client: client.name, server: server.name, address: '192.0.2.2' };
  });

  afterAll(async () => {
    await kernel.close();
    for (const namespace of [client, server]) await namespace?.remove();
  });

  it('is accepted as untranslated, and rejected as translated', async () => {
    await verifyPath(kernel, path);
    for (const translated of ['client', 'server'] as const) {
      const error = new VerificationError(`translated: nothing, expected ${translated}`);
      await expect(verifyPath(kernel, { ...path, translated })).rejects.toThrow(error);
    }
  });

  it('is accepted as translated if NAT is on the way, and rejected as untranslated', async () => {
    await server?.run(
      'nft',
      'table ip nat { chain pre { type nat hook prerouting priority -100; ip daddr 192.0.2.2 dnat to 192.0.2.3; }; }',
    );
    await server?.ip('address', 'add', '192.0.2.3/24', 'dev', 'v1');
    try {
      await verifyPath(kernel, { ...path, translated: 'server' });
      const error = new VerificationError('translated: server, expected nothing');
      await expect(verifyPath(kernel, path)).rejects.toThrow(error);
    } finally {
      await server?.run('nft', 'delete', 'table', 'ip', 'nat');
    }
  });

  it('has a rate for TCP and UDP, and an error if the server cannot be reached', async () => {
    expect(await measurePath(path, 'TCP', true)).toBeGreaterThan(0);
    expect(await measurePath(path, 'UDP', true)).toBeGreaterThan(0);
    await expect(measurePath({ ...path, address: '203.0.113.1' }, 'TCP', true)).rejects.toThrow(
      /iperf3: .*unreachable/,
    );
  });
});
