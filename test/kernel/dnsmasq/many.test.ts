import { randomBytes, randomUUID } from 'node:crypto';
import { readdir, readlink, rm } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { type DnsmasqConfig, DnsmasqSupervisor } from '../../../src/dnsmasq/index.js';
import { privileged, TestNamespace } from '../../support/namespaces.js';
import { patience } from '../../support/patience.js';
import { processes } from '../../support/processes.js';
import { shellKernel } from '../../support/shell-kernel.js';

describe.skipIf(!privileged)('dnsmasq of many networks', () => {
  it('uses no inotify instances', { timeout: patience(300_000) }, async () => {
    // With one instance each, the 129th would not start: a user usually has 128 (fs.inotify.max_user_instances).
    const count = 12;
    const root = `/run/vethwork-test-${randomBytes(4).toString('hex')}/state`;
    const supervisor = new DnsmasqSupervisor(shellKernel, { root });
    const namespaces: TestNamespace[] = [];
    try {
      for (let index = 0; index < count; index++) {
        const namespace = await TestNamespace.create(randomUUID(), { exact: true });
        namespaces.push(namespace);
        await namespace.ip('link', 'add', 'veth-000abc-i', 'type', 'bridge');
        await namespace.ip('link', 'set', 'veth-000abc-i', 'up');
        await namespace.ip('address', 'add', '172.16.0.1/24', 'dev', 'veth-000abc-i');
        await supervisor.start(desired(namespace.name));
      }
      const pids = (await processes(`dnsmasq --conf-file=${root}/`)).map((line) => Number.parseInt(line, 10));
      expect(pids).toHaveLength(count);
      const open = (
        await Promise.all(
          pids.map(async (pid) => {
            const descriptors = await readdir(`/proc/${pid}/fd`);
            return Promise.all(descriptors.map((descriptor) => readlink(`/proc/${pid}/fd/${descriptor}`)));
          }),
        )
      ).flat();
      expect(open.filter((file) => file.startsWith('socket:')).length).toBeGreaterThanOrEqual(count);
      expect(open.filter((file) => file.includes('inotify'))).toEqual([]);
    } finally {
      for (const { name } of namespaces) await supervisor.stop({ network: name, netns: name });
      for (const namespace of namespaces) await namespace.remove();
      await supervisor.close();
      await rm(path.dirname(root), { recursive: true, force: true });
    }
  });
});

function desired(network: string): DnsmasqConfig {
  return {
    network,
    netns: network,
    device: 'veth-000abc-i',
    netblock: '172.16.0.0/24',
    gateway: '172.16.0.1',
    broadcast: '172.16.0.255',
    mtu: 1450,
    domain: 'demo.internal',
    provideDhcp: true,
    provideNat: true,
    provideDns: true,
    dnsServers: ['10.0.0.2'],
    leaseTime: 3600,
    reservations: [],
  };
}
