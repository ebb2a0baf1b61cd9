import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { runtimeRoot } from '../../../src/dnsmasq/index.js';
import { findProgram } from '../../../src/dnsmasq/process.js';
import type { CreateNetworkOptions, Host } from '../../../src/index.js';
import { askForLease } from '../../support/dhcp.js';
import { lookUp } from '../../support/dns.js';
import { TestHost } from '../../support/host.js';
import { eventually, json, privileged, sh } from '../../support/namespaces.js';
import { processes } from '../../support/processes.js';

const VNI = 0xabc;

describe.skipIf(!privileged)('the creation of a network with dnsmasq, which starts meanwhile', () => {
  const path = process.env.PATH;
  let machine: TestHost;
  let host: Host;
  let folder: string;
  let real: string;

  beforeAll(async () => {
    machine = await TestHost.create();
    host = await machine.open();
    folder = await mkdtemp(join(tmpdir(), 'vethwork-dnsmasq-'));
    real = await findProgram();
  });
  afterEach(() => {
    process.env.PATH = path;
  });
  afterAll(async () => {
    await machine.remove();
    await rm(folder, { recursive: true });
  });

  const create = (options: Partial<CreateNetworkOptions> & { uuid: string }) =>
    host.createNetwork({ name: 'demo', netblock: '172.16.0.0/24', ...options });
  const namespaces = async () => (await sh('ip', 'netns')).split('\n').map((line) => line.split(' ')[0]);
  const links = async () =>
    (await json<{ ifname: string; ifindex: number }[]>('ip', '-j', '-n', machine.node.name, 'link')).map(
      ({ ifname, ifindex }) => [ifname, ifindex],
    );
  const served = (uuid: string) => processes(`dnsmasq --conf-file=.*/${uuid}/`);

  /** A program that is found instead of dnsmasq. */
  async function replace(...lines: string[]): Promise<void> {
    await writeFile(join(folder, 'dnsmasq'), ['#!/bin/sh', ...lines, ''].join('\n'));
    await chmod(join(folder, 'dnsmasq'), 0o755);
    process.env.PATH = `${folder}:${path}`;
  }

  /** Expects that a creation fails and leaves nothing, and that the next one succeeds. */
  async function expectNothingLeft(uuid: string, creation: Promise<unknown>, error: object): Promise<void> {
    const before = await links();
    await expect(creation).rejects.toMatchObject(error);
    await host.drained();
    expect(await links()).toEqual(before);
    expect(await namespaces()).not.toContain(uuid);
    expect(await served(uuid)).toEqual([]);
    const root = await runtimeRoot(machine.options.stateDir);
    const files = existsSync(root) ? await readdir(root) : [];
    expect(files.filter((name) => name.startsWith(uuid))).toEqual([]);
    expect(await host.listNetworks()).toEqual([]);
  }

  /** Expects that the same creation succeeds once its obstacle is gone. */
  async function expectSuccess(uuid: string, provideDns: boolean): Promise<void> {
    process.env.PATH = path;
    const network = await create({ uuid, vni: VNI, provideDns });
    expect(await namespaces()).toContain(uuid);
    expect(await served(uuid)).toHaveLength(1);
    await network.delete();
    await host.drained();
  }

  test.each([false, true])('serves as soon as it has resolved; DNS: %j', async (provideDns) => {
    const guest = await machine.guest();
    const uuid = randomUUID();
    // dnsmasq needs long: the kernel's work has ended when it begins.
    await replace('sleep 0.3', `exec ${real} "$@"`);
    const network = await create({ uuid, provideDns });
    const nic = await network.attach({ netns: guest.name, name: 'eth0', configure: true, hostname: 'web' });
    expect(await askForLease(guest, 'eth0')).toMatchObject({ ip: nic.info.address });
    if (provideDns) expect(await lookUp(guest, '172.16.0.1', 'web')).toBe(nic.info.address);
    await network.delete();
    await host.drained();
  });

  test.each([false, true])(
    'leaves nothing if the kernel refuses a link, and the link as it is; DNS: %j',
    async (provideDns) => {
      const uuid = randomUUID();
      await machine.node.ip('link', 'add', 'vxlan-000abc', 'type', 'bridge');
      await expectNothingLeft(uuid, create({ uuid, vni: VNI, provideDns }), { name: 'KernelError', code: 'EEXIST' });
      await machine.node.ip('link', 'delete', 'vxlan-000abc');
      await expectSuccess(uuid, provideDns);
    },
  );

  test.each([false, true])('leaves nothing if dnsmasq does not start; DNS: %j', async (provideDns) => {
    const uuid = randomUUID();
    await replace('sleep 0.1', 'echo "dnsmasq: no luck today" >&2', 'exit 3');
    await expectNothingLeft(uuid, create({ uuid, vni: VNI, provideDns }), {
      name: 'DnsmasqError',
      message: expect.stringContaining('no luck today'),
    });
    await expectSuccess(uuid, provideDns);
  });

  test.each([false, true])('leaves nothing if it is aborted while dnsmasq starts; DNS: %j', async (provideDns) => {
    const uuid = randomUUID();
    const started = join(folder, uuid);
    await replace(`touch ${started}`, 'sleep 0.5', `exec ${real} "$@"`);
    const abort = new AbortController();
    const creation = create({ uuid, vni: VNI, provideDns, signal: abort.signal });
    const rejection = expect(creation).rejects.toThrow('enough');
    await eventually(async () => (await readdir(folder)).includes(uuid));
    expect(await namespaces()).toContain(uuid);
    abort.abort(new Error('enough'));
    await rejection;
    await host.drained();
    await expectNothingLeft(uuid, creation, { message: 'enough' });
    await expectSuccess(uuid, provideDns);
  });
});
