import { randomUUID } from 'node:crypto';
import { readdir, readlink, rm } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { DnsmasqSupervisor } from '../../../src/dnsmasq/index.js';
import { DEVICE, dnsmasqConfig, GATEWAY, runtimeRoot } from '../../support/dnsmasq.js';
import { privileged, TestNamespace } from '../../support/namespaces.js';
import { patience } from '../../support/patience.js';
import { processes } from '../../support/processes.js';
import { shellKernel } from '../../support/shell-kernel.js';

describe.skipIf(!privileged)('dnsmasq of many networks', () => {
  it('uses no inotify instances', { timeout: patience(300_000) }, async () => {
    // With one instance each, the 129th would not start: a user usually has 128 (fs.inotify.max_user_instances).
    const count = 12;
    const root = runtimeRoot();
    const supervisor = new DnsmasqSupervisor(shellKernel, { root });
    const namespaces: TestNamespace[] = [];
    try {
      for (let index = 0; index < count; index++) {
        const namespace = await TestNamespace.create(randomUUID(), { exact: true });
        namespaces.push(namespace);
        await namespace.ip('link', 'add', DEVICE, 'type', 'bridge');
        await namespace.ip('link', 'set', DEVICE, 'up');
        await namespace.ip('address', 'add', `${GATEWAY}/24`, 'dev', DEVICE);
        await supervisor.start(dnsmasqConfig(namespace.name));
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
