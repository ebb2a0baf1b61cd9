import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AddressInfo, HostEvent, InterfaceInfo, NetworkInfo, RepairResult } from '../../../src/api/types.js';
import { run } from '../../../src/cli/program.js';
import { runtimeRoot } from '../../../src/dnsmasq/index.js';
import type { Status } from '../../../src/format/format.js';
import type { Statistics } from '../../../src/format/observation.js';
import { hasLink } from '../../support/kernel.js';
import { connect, eventually, privileged, TestNamespace } from '../../support/namespaces.js';
import { repairLines } from '../../support/repairs.js';

/** `vethwork events --follow --json`, as a process of its own. */
class Follower {
  readonly #child;
  #heard = '';

  constructor(state: string, ...args: string[]) {
    const program = fileURLToPath(new URL('../../../dist/cli/main.js', import.meta.url));
    const argv = [program, '--state-dir', state, '--json', 'events', '--follow', ...args];
    this.#child = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.#heard += text;
    });
  }

  get events(): HostEvent[] {
    const lines = this.#heard.split('\n').slice(0, -1);
    return lines.map((line) => JSON.parse(line));
  }

  async until(count: number): Promise<void> {
    await eventually(() => this.events.length >= count, 60_000);
  }

  async interrupt(): Promise<number | null> {
    const ended = once(this.#child, 'close');
    this.#child.kill('SIGINT');
    return (await ended)[0];
  }
}

describe.skipIf(!privileged)('the command line on a real host', () => {
  let state: string;
  let host: TestNamespace;
  let outside: TestNamespace;
  let container: TestNamespace;

  beforeAll(async () => {
    state = await mkdtemp(join(tmpdir(), 'vethwork-cli-'));
    host = await TestNamespace.create('host');
    outside = await TestNamespace.create('outside');
    container = await TestNamespace.create('container');
    await connect([host, 'eth0'], [outside, 'eth0']);
    await host.ip('address', 'add', '10.0.0.74/24', 'dev', 'eth0');
  });

  afterAll(async () => {
    for (const namespace of [container, outside, host]) {
      await namespace.remove();
    }
    await rm(state, { recursive: true });
  });

  async function vethwork(...argv: string[]) {
    let stdout = '';
    let stderr = '';
    const code = await run(['--state-dir', state, ...argv], {
      stdout: { write: (text: string) => (stdout += text) },
      stderr: { write: (text: string) => (stderr += text) },
    });
    return { code, stdout, stderr };
  }

  /** A command that must succeed, and what it prints. */
  async function text(...argv: string[]): Promise<string> {
    const { code, stdout, stderr } = await vethwork(...argv);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    return stdout;
  }

  async function value<Value>(...argv: string[]): Promise<Value> {
    return JSON.parse(await text(...argv, '--json')) as Value;
  }

  async function refusal(...argv: string[]) {
    const { code, stdout, stderr } = await vethwork('--json', ...argv);
    expect(stdout).toBe('');
    return { code, error: (JSON.parse(stderr) as { error: Record<string, unknown> }).error };
  }

  it('init sets up the host and records its settings', async () => {
    const options = ['--egress-nic', 'eth0', '--mesh-nic', 'eth0', '--floating-network', '192.168.15.0/24'];
    const status = await text('init', '--host-netns', host.name, '--deletion-halo', '0', ...options);
    expect(status).toContain('egress bridge   : egr-br-eth0\n');
    expect(status).toContain('health          : in order');
    // Recorded settings are not needed again.
    expect(await text('status')).toContain('health          : in order');
    expect(await host.ip('address', 'show', 'egr-br-eth0')).toContain('192.168.15.1/24');
  });

  it('creates a network and prints the fields of the walk-through', async () => {
    const printed = await text(
      'network',
      'create',
      'demo',
      '172.16.0.0/24',
      '--metadata',
      'team=blue',
      '--vni',
      '4711',
      '--floating-gateway',
      '192.168.15.194',
    );
    expect(printed).toMatch(
      /^uuid {12}: [0-9a-f-]{36}\nname {12}: demo\nvxlan id {8}: 4711\nnetblock {8}: 172.16.0.0\/24\nprovide dhcp {4}: yes\nprovide nat {5}: yes\nfloating gateway: 192\.168\.15\.194\ntenant {10}: system\nstate {11}: created\n\nMetadata:\n {4}team: blue\n$/,
    );
    const [network, ...others] = await value<NetworkInfo[]>('network', 'list');
    expect(others).toEqual([]);
    expect(network).toMatchObject({ name: 'demo', vni: 4711, provideDns: false, metadata: { team: 'blue' } });
    expect(await text('network', 'show', 'demo')).toBe(printed);
    expect(await value('network', 'show', network?.uuid ?? '')).toEqual(network);
    expect(existsSync(`/run/netns/${network?.uuid}`)).toBe(true);
    expect(await text('network', 'list')).toContain(`${network?.uuid}  demo  4711`);
  });

  it('attaches, lists and shows interfaces', async () => {
    const tap = await value<InterfaceInfo>(
      ...['interface', 'attach', 'demo', '--tap', 'vnet0', '--mac', '02:00:00:bd:cd:9b', '--address', '172.16.0.232'],
    );
    expect(tap).toMatchObject({ device: 'vnet0', mac: '02:00:00:bd:cd:9b', address: '172.16.0.232', model: 'virtio' });
    expect(await host.ip('link', 'show', 'vnet0')).toContain('master br-vxlan-001267');

    const veth = ['--netns', container.path, '--name', 'eth0', '--configure', '--address', '172.16.0.37'];
    expect(await text('interface', 'attach', 'demo', ...veth)).toMatch(/^ipv4 {4}: 172\.16\.0\.37$/m);
    expect(await container.ip('address', 'show', 'eth0')).toContain('172.16.0.37/24');

    const all = await value<InterfaceInfo[]>('interface', 'list');
    expect(all.map((nic) => nic.address).sort()).toEqual(['172.16.0.232', '172.16.0.37']);
    expect(await value('interface', 'list', 'demo')).toEqual(all);
    expect(await value('interface', 'show', 'vnet0')).toEqual(tap);
    const addresses = await value<AddressInfo[]>('network', 'addresses', 'demo');
    expect(addresses).toContainEqual(expect.objectContaining({ address: '172.16.0.1', use: 'gateway' }));
    expect(addresses).toContainEqual(expect.objectContaining({ address: '172.16.0.37', use: 'interface' }));
    expect(await text('network', 'addresses', 'demo')).toMatch(/^172\.16\.0\.232 +interface +02:00:00:bd:cd:9b/m);
  });

  it('ensure returns existing objects, and names options that differ', async () => {
    const [network] = await value<NetworkInfo[]>('network', 'list');
    expect(await value('network', 'ensure', 'demo', '172.16.0.0/24')).toEqual(network);
    expect(await refusal('network', 'ensure', 'demo', '172.16.0.0/24', '--dns')).toMatchObject({
      code: 1,
      error: {
        code: 'ERR_VETHWORK_CONFLICT',
        name: 'DifferenceError',
        field: 'provideDns',
        actual: false,
        wanted: true,
      },
    });
    expect(await refusal('network', 'create', 'demo', '10.9.0.0/24')).toMatchObject({
      code: 1,
      error: { code: 'ERR_VETHWORK_CONFLICT', message: expect.stringContaining(network?.uuid ?? 'none') },
    });
    const tap = await value<InterfaceInfo>('interface', 'show', 'vnet0');
    expect(await value('interface', 'ensure', 'demo', '--tap', 'vnet0')).toEqual(tap);
    const place = ['--netns', container.path, '--name', 'eth0', '--configure'];
    expect(await value('interface', 'ensure', 'demo', ...place)).toMatchObject({ address: '172.16.0.37' });
    expect(await refusal('interface', 'ensure', 'demo', ...place, '--address', '172.16.0.38')).toMatchObject({
      code: 1,
      error: { code: 'ERR_VETHWORK_CONFLICT', field: 'address', actual: '172.16.0.37', wanted: '172.16.0.38' },
    });
    expect(await value<InterfaceInfo[]>('interface', 'list')).toHaveLength(2);
  });

  it('pings from inside the network', async () => {
    expect(await text('network', 'ping', 'demo', '172.16.0.37')).toMatch(/^172\.16\.0\.37 answered in [\d.]+ ms\n$/);
    const silent = await vethwork('network', 'ping', 'demo', '172.16.0.99', '--timeout', '200', '--json');
    expect(silent.code).toBe(1);
    expect(JSON.parse(silent.stdout)).toEqual({ address: '172.16.0.99', answered: false, time: null });
  });

  it('floats and defloats', async () => {
    expect(await text('interface', 'float', 'vnet0', '--address', '192.168.15.29')).toBe('192.168.15.29\n');
    expect(await host.ip('link', 'show', 'flt-c0a80f1d-o')).toContain('master egr-br-eth0');
    expect(await text('interface', 'show', 'vnet0')).toContain('floating: 192.168.15.29\n');
    await text('interface', 'defloat', 'vnet0');
    expect(await hasLink(host, 'flt-c0a80f1d-o')).toBe(false);
    expect(await text('interface', 'show', 'vnet0')).toContain('floating: -\n');
  });

  it('routes and unroutes', async () => {
    expect(await text('network', 'route', 'demo', '192.168.15.30')).toBe('192.168.15.30\n');
    expect(await host.ip('route')).toMatch(/^192\.168\.15\.30 dev br-vxlan-001267/m);
    expect(await text('network', 'show', 'demo')).toContain('Routed addresses:\n    192.168.15.30\n');
    await text('network', 'unroute', 'demo', '192.168.15.30');
    expect(await host.ip('route')).not.toContain('192.168.15.30');
  });

  it('events prints past events, and follows new ones', async () => {
    const events = await value<HostEvent[]>('events');
    expect(events.map(({ event }) => event)).toEqual([
      // The last network was refused.
      ...['host.init', 'network.create', 'interface.attach', 'interface.attach', 'network.create'],
      ...['interface.float', 'interface.defloat', 'network.route', 'network.unroute'],
    ]);
    expect(await text('events', '192.168.15.30')).toMatch(
      /^\S+Z {2}network\.route {2}\S+ 192\.168\.15\.30 {2}[\d.]+ ms\n\S+Z {2}network\.unroute [^\n]+\n$/,
    );
    const follower = new Follower(state, '--after', events.at(-2)?.id ?? '');
    await follower.until(1);
    await text('interface', 'float', 'vnet0', '--address', '192.168.15.29');
    await text('interface', 'defloat', 'vnet0');
    await follower.until(3);
    expect(await follower.interrupt()).toBe(130);
    expect(follower.events.map(({ event }) => event)).toEqual([
      ...['network.unroute', 'interface.float', 'interface.defloat'],
    ]);
  });

  it('stats prints counters', async () => {
    const { networks, interfaces } = await value<Statistics>('stats');
    expect(networks.map(({ name }) => name)).toEqual(['demo']);
    expect(networks[0]?.counters.router?.sent.packets).toBeGreaterThan(0);
    const veth = interfaces.find(({ device }) => device !== 'vnet0');
    expect(veth?.counters.received.packets).toBeGreaterThan(0);
    expect(await text('stats')).toMatch(/^NETWORK +NAME +PART +SENT[\s\S]*\nINTERFACE +DEVICE[\s\S]*\nNETWORK +RULE/);
  });

  it('status and reconcile report and repair what another program removed', async () => {
    await host.ip('link', 'delete', 'vxlan-001267');
    const { repairs } = await value<{ repairs: RepairResult[] }>('reconcile', '--dry-run');
    expect(repairLines(repairs)).toContain('vxlan-001267');
    expect((await value<Status>('status')).repairs).toEqual(repairs);
    expect((await value<{ repairs: RepairResult[] }>('reconcile')).repairs).toEqual(repairs);
    expect(await host.ip('link', 'show', 'vxlan-001267')).toContain('master br-vxlan-001267');
    expect(await text('reconcile')).toBe('nothing to repair\n');
  });

  it('impossible requests give a typed error and its exit code', async () => {
    expect(await refusal('network', 'show', 'nowhere')).toMatchObject({
      code: 1,
      error: { code: 'ERR_VETHWORK_NOT_FOUND' },
    });
    expect(await refusal('interface', 'show', 'vnet9')).toMatchObject({
      code: 1,
      error: { code: 'ERR_VETHWORK_NOT_FOUND' },
    });
    expect(await refusal('teardown')).toMatchObject({ code: 1, error: { code: 'ERR_VETHWORK_CONFLICT' } });
    for (const [argv, field] of [
      [['network', 'create', 'x', '172.16.0.5/24'], 'netblock'],
      [['network', 'create', 'x', '172.16.0.0/30'], 'netblock'],
      [['network', 'create', 'x', '10.9.0.0/24', '--vni', '0'], 'vni'],
      [['network', 'create', 'x', '10.9.0.0/24', '--uuid', 'x'], 'uuid'],
      [['interface', 'attach', 'demo', '--tap', 'a name'], 'tap'],
      [['interface', 'attach', 'demo', '--tap', 'vnet5', '--mac', '01:00:5e:00:00:01'], 'mac'],
      [['interface', 'attach', 'demo', '--tap', 'vnet5', '--address', '10.0.0.1'], 'address'],
      [['interface', 'float', 'vnet0', '--address', '172.16.0.5'], 'address'],
    ] as const) {
      expect(await refusal(...argv)).toMatchObject({ code: 2, error: { code: 'ERR_VETHWORK_VALIDATION', field } });
    }
    expect((await value<NetworkInfo[]>('network', 'list')).length).toBe(1);
    expect((await value<InterfaceInfo[]>('interface', 'list')).length).toBe(2);
  });

  it('delete and teardown remove everything', async () => {
    const [network] = await value<NetworkInfo[]>('network', 'list');
    expect(await text('interface', 'detach', 'vnet0')).toMatch(/^detached interface /);
    expect(await text('network', 'delete', 'demo')).toBe(`deleted network ${network?.uuid}\n`);
    expect(existsSync(`/run/netns/${network?.uuid}`)).toBe(false);
    expect(await text('teardown')).toBe('removed egr-br-eth0\n');
    expect(existsSync(await runtimeRoot(state))).toBe(false);
    const links = (await host.ip('-o', 'link')).match(/(?<=^\d+: )[^:@]+/gm);
    expect(links?.sort()).toEqual(['eth0', 'lo']);
  });
});
