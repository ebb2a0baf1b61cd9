import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { readFileSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DnsmasqError, StoreError } from '../../../src/errors.js';
import type { Host, Network } from '../../../src/index.js';
import { TestHost } from '../../support/host.js';
import { rejection } from '../../support/kernel.js';
import { json, privileged } from '../../support/namespaces.js';

describe.skipIf(!privileged)('the DHCP reservation of an attach', () => {
  let machine: TestHost;
  let host: Host;
  let network: Network;
  let hosts: string;

  beforeAll(async () => {
    machine = await TestHost.create();
    host = await machine.open();
    network = await host.createNetwork({ name: 'demo', netblock: '172.16.0.0/24' });
    const roots = await readdir('/run/vethwork');
    const found = await Promise.all(
      roots.map(async (root) => ((await readdir(join('/run/vethwork', root))).includes(network.uuid) ? root : '')),
    );
    hosts = join('/run/vethwork', found.find((root) => root !== '') as string, network.uuid, 'dhcp-hosts');
  });
  afterAll(() => machine.remove());

  test('is there before the kernel is changed if the instance asks DHCP, and at the end in any case', async () => {
    const guest = await machine.guest();
    const begun: string[] = [];
    const note = (message: unknown) => {
      const { operations } = message as { operations: readonly { op: string }[] };
      if (operations.some(({ op }) => op === 'tap.add' || op === 'link.add')) begun.push('begun');
    };
    const macs = { tap: '02:00:00:00:00:0a', guest: '02:00:00:00:00:0b', configured: '02:00:00:00:00:0c' };
    const seen: Record<string, boolean> = {};
    const look = async (name: keyof typeof macs, attach: () => Promise<unknown>) => {
      const check = (message: unknown) => {
        note(message);
        seen[name] ??= readFileSync(hosts, 'utf8').includes(macs[name]);
      };
      subscribe('tracing:vethwork:kernel:start', check);
      try {
        await attach();
      } finally {
        unsubscribe('tracing:vethwork:kernel:start', check);
      }
      expect(await readFile(hosts, 'utf8')).toContain(macs[name]);
    };
    await look('tap', () => network.attach({ tap: 'tap0', mac: macs.tap }));
    await look('guest', () => network.attach({ netns: guest.name, mac: macs.guest }));
    // The control: it is seen that a reservation is not there.
    await look('configured', () =>
      network.attach({ netns: guest.name, name: 'eth1', mac: macs.configured, configure: true }),
    );
    expect(begun).toHaveLength(3);
    expect(seen).toEqual({ tap: true, guest: true, configured: false });
  });

  test.each([true, false])('fails the attach if it cannot be written (configure: %s)', async (configure) => {
    const guest = await machine.guest();
    const links = () => json<{ ifname: string }[]>('ip', '-n', guest.name, '-j', 'link', 'show');
    const attach = () => network.attach({ netns: guest.name, name: 'eth7', configure });
    const before = (await host.listInterfaces()).length;
    await rename(hosts, `${hosts}.away`);
    await mkdir(hosts);
    const error = await rejection(attach());
    await rmdir(hosts);
    await rename(`${hosts}.away`, hosts);
    expect([StoreError, DnsmasqError].some((kind) => error instanceof kind)).toBe(true);
    expect((await links()).map(({ ifname }) => ifname)).toEqual(['lo']);
    await host.reconcile();
    expect(await host.listInterfaces()).toHaveLength(before);
    const nic = await attach();
    expect((await links()).map(({ ifname }) => ifname)).toContain('eth7');
    expect(await readFile(hosts, 'utf8')).toContain(nic.info.mac);
    await nic.detach();
  });
});
