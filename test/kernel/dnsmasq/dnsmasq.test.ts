import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  type DnsmasqConfig,
  DnsmasqSupervisor,
  parseLeases,
  type Reservation,
  runtimePaths,
  type SupervisorEvent,
} from '../../../src/dnsmasq/index.js';
import { findProgram } from '../../../src/dnsmasq/process.js';
import { askForLease } from '../../support/dhcp.js';
import { lookUp } from '../../support/dns.js';
import { DEVICE, db, dnsmasqConfig, GATEWAY, runtimeRoot, web } from '../../support/dnsmasq.js';
import { attempt, connect, eventually, privileged, sh, TestNamespace } from '../../support/namespaces.js';
import { processes } from '../../support/processes.js';
import { shellKernel } from '../../support/shell-kernel.js';

const EGRESS = 'egr-000abc-i';
const FLOATING_GATEWAY = '192.168.15.2';

describe.skipIf(!privileged)('dnsmasq', () => {
  let network: string;
  let root: string;
  let inner: TestNamespace;
  let client: TestNamespace;
  let outside: TestNamespace;
  let supervisor: DnsmasqSupervisor;
  let supervisors: DnsmasqSupervisor[];
  let children: ChildProcess[];
  let events: SupervisorEvent[];

  beforeEach(async () => {
    network = randomUUID();
    root = runtimeRoot();
    inner = await TestNamespace.create(network, { exact: true });
    client = await TestNamespace.create('client');
    outside = await TestNamespace.create('outside');
    await makeInnerVeth();
    await connect([inner, EGRESS], [outside, 'eth0']);
    await inner.ip('address', 'add', `${FLOATING_GATEWAY}/24`, 'dev', EGRESS);
    await outside.ip('address', 'add', '192.168.15.1/24', 'dev', 'eth0');
    await outside.ip('route', 'add', '172.16.0.0/24', 'via', FLOATING_GATEWAY);
    await inner.run('sysctl', '-q', '-w', 'net.ipv4.ip_forward=1');
    [supervisors, children, events] = [[], [], []];
    supervisor = newSupervisor();
  });

  afterEach(async () => {
    for (const child of children) child.kill('SIGKILL');
    await supervisor.stop({ network, netns: network });
    for (const each of supervisors) await each.close();
    for (const namespace of [inner, client, outside]) await namespace.remove();
    await rm(path.dirname(root), { recursive: true, force: true });
  });

  async function makeInnerVeth() {
    await connect([inner, DEVICE], [client, 'eth0']);
    await inner.ip('address', 'add', `${GATEWAY}/24`, 'broadcast', '+', 'dev', DEVICE);
    await become(web.mac);
  }

  /** Gives the client another MAC, and no address. */
  async function become(mac: string) {
    await client.ip('address', 'flush', 'dev', 'eth0');
    await client.ip('link', 'set', 'eth0', 'address', mac);
  }

  function newSupervisor(): DnsmasqSupervisor {
    const made = new DnsmasqSupervisor(shellKernel, { root, interval: 50, onEvent: (event) => events.push(event) });
    supervisors.push(made);
    return made;
  }

  const desired = (changes: Partial<DnsmasqConfig> = {}): DnsmasqConfig =>
    dnsmasqConfig(network, {
      provideDns: false,
      dnsServers: ['10.0.0.2', '10.0.0.3'],
      reservations: [web],
      ...changes,
    });

  const id = () => ({ network, netns: network });
  const server = () => ({ ...id(), gateway: GATEWAY });
  const leases = async () => parseLeases(await readFile(runtimePaths(root, network).leases, 'utf8'));
  /** The pids of all dnsmasqs of this network, by a foreign tool. */
  const pids = async () => {
    const found = await processes(`dnsmasq --conf-file=${runtimePaths(root, network).folder}/`);
    return found.map((line) => Number.parseInt(line, 10));
  };
  const pid = async () => {
    const found = await supervisor.pid(id());
    expect(await pids()).toEqual([found]);
    return found as number;
  };

  it('offers the reserved address with the options of a network with NAT', async () => {
    await supervisor.start(desired());
    const answer = await askForLease(client, 'eth0');
    expect(answer).toMatchObject({
      ip: web.address,
      subnet: '255.255.255.0',
      router: GATEWAY,
      dns: '10.0.0.2 10.0.0.3',
      domain: 'demo.internal',
      mtu: '1450',
      broadcast: '172.16.0.255',
      hostname: 'web',
      serverid: GATEWAY,
      lease: '3600',
    });
    expect(await leases()).toEqual([expect.objectContaining({ mac: web.mac, address: web.address })]);
  });

  it('announces neither router nor resolver without NAT', async () => {
    await supervisor.start(desired({ provideNat: false }));
    const answer = await askForLease(client, 'eth0');
    expect(answer).toMatchObject({ ip: web.address, mtu: '1450' });
    expect(answer).not.toHaveProperty('router');
    expect(answer).not.toHaveProperty('dns');
  });

  it('does not answer a client without reservation', async () => {
    await supervisor.start(desired());
    await become(db.mac);
    expect(await askForLease(client, 'eth0', { quick: true })).toBeUndefined();
    await become(web.mac);
    expect(await askForLease(client, 'eth0', { quick: true })).toMatchObject({ ip: web.address });
  });

  it('identifies clients only by MAC, whatever client id they send', async () => {
    await supervisor.start(desired());
    for (const clientId of ['0x3d:0101', '0x3d:0202']) {
      expect(await askForLease(client, 'eth0', { args: ['-x', clientId] })).toMatchObject({ ip: web.address });
    }
  });

  it('listens on port 53 only with DNS, and then only on the gateway address', async () => {
    await supervisor.start(desired());
    expect(await inner.run('ss', '-Hlnut', 'sport = 53')).toBe('');
    await supervisor.start(desired({ provideDns: true }));
    const listeners = await inner.run('ss', '-Hlnut4', 'sport = 53');
    expect(
      listeners
        .trim()
        .split('\n')
        .map((line) => line.split(/\s+/)[4]),
    ).toEqual([`${GATEWAY}:53`, `${GATEWAY}:53`]);
  });

  it('resolves only names and addresses of instances without NAT', async () => {
    await supervisor.start(desired({ provideDns: true, provideNat: false, reservations: [web, db] }));
    const answer = await askForLease(client, 'eth0');
    expect(answer).toMatchObject({ dns: GATEWAY });
    expect(answer).not.toHaveProperty('router');
    for (const name of ['db', 'db.demo.internal']) expect(await lookUp(client, GATEWAY, name)).toBe(db.address);
    expect(await lookUp(client, GATEWAY, db.address, '-x')).toBe('db.demo.internal.');
    expect(await client.run('dig', '+time=1', `@${GATEWAY}`, 'none.demo.internal')).toContain('status: NXDOMAIN');
    expect(await client.run('dig', '+time=1', `@${GATEWAY}`, 'example.org')).toContain('status: REFUSED');
  });

  it('forwards other names to upstream servers with NAT', async () => {
    const upstream = outside.spawn('dnsmasq', [
      ...['--keep-in-foreground', '--conf-file=/dev/null', '--no-resolv', '--no-hosts', '--pid-file='],
      '--address=/example.org/192.0.2.7',
    ]);
    children.push(upstream);
    await eventually(() => outside.run('ss', '-Hlnu', 'sport = 53'));
    await supervisor.start(desired({ provideDns: true, dnsServers: ['192.168.15.1'] }));
    await askForLease(client, 'eth0');
    expect(await eventually(() => lookUp(client, GATEWAY, 'example.org'))).toBe('192.0.2.7');
  });

  it('is silent on the egress side', async () => {
    await supervisor.start(desired({ provideDns: true }));
    // Positive control: it answers inside.
    await askForLease(client, 'eth0');
    expect(await lookUp(client, GATEWAY, 'web.demo.internal')).toBe(web.address);
    for (const address of [GATEWAY, FLOATING_GATEWAY]) {
      expect(await lookUp(outside, address, 'web.demo.internal')).toBeUndefined();
      expect(await lookUp(outside, address, 'web.demo.internal', '+tcp')).toBeUndefined();
    }
    // A client with a reservation, but on the egress side; tcpdump records the packets.
    const capture = outside.spawn(
      'tcpdump',
      ['-i', 'eth0', '-n', '-l', '--immediate-mode', 'udp port 67 or udp port 53'],
      {
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
    children.push(capture);
    let seen = '';
    capture.stdout?.on('data', (data) => {
      seen += data;
    });
    await new Promise((resolve) => capture.stderr?.once('data', resolve));
    await client.ip('link', 'set', 'eth0', 'down');
    await outside.ip('link', 'set', 'eth0', 'address', web.mac);
    expect(await askForLease(outside, 'eth0', { quick: true })).toBeUndefined();
    expect(seen).toContain('.67: BOOTP/DHCP, Request');
    expect(seen).not.toContain('Reply');
    expect(seen).not.toMatch(/\.(67|53) > /);
  });

  it('runs as an unprivileged user that cannot write its configuration', async () => {
    await supervisor.start(desired());
    const user = (await sh('ps', '-o', 'user=', '-p', String(await pid()))).trim();
    expect(['dnsmasq', 'nobody']).toContain(user);
    const { folder } = runtimePaths(root, network);
    expect((await stat(root)).mode & 0o777).toBe(0o711);
    expect((await stat(folder)).mode & 0o777).toBe(0o710);
    for (const file of await readdir(folder)) {
      if (file !== 'pid' && file !== 'log') expect((await stat(path.join(folder, file))).uid, file).toBe(0);
    }
    const { gid } = await stat(folder);
    const asUser = (...command: string[]) =>
      attempt('setpriv', `--reuid=${user}`, `--regid=${gid}`, '--clear-groups', ...command);
    // Positive control: it can enter the folder and read.
    expect(await asUser('cat', `${folder}/dhcp-hosts`)).toMatchObject({ exitCode: 0, stderr: '' });
    for (const file of ['dhcp-hosts', 'new']) {
      const denied = { exitCode: 1, stderr: expect.stringContaining('Permission denied') };
      expect(await asUser('touch', `${folder}/${file}`)).toMatchObject(denied);
    }
  });

  it('keeps its files inaccessible to all accounts except its own, whatever their groups', async () => {
    await supervisor.start(desired());
    const { folder } = runtimePaths(root, network);
    const [user, group] = (await sh('ps', '-o', 'user=,group=', '-p', String(await pid()))).trim().split(/\s+/);
    const account = Number(await sh('id', '-u', user as string));
    const gids = [group as string, 'nogroup', 'daemon'];
    const reads = async (uid: number, gid: string, file: string) =>
      (await attempt('setpriv', `--reuid=${uid}`, `--regid=${gid}`, '--clear-groups', 'cat', `${folder}/${file}`))
        .exitCode === 0;
    for (const file of ['dhcp-hosts', 'names']) {
      // The account can read them, whatever its group is: dnsmasq reads them again after SIGHUP.
      expect(await reads(account, group as string, file)).toBe(true);
      for (const gid of gids) expect(await reads(12345, gid, file), `${file} by the group ${gid}`).toBe(false);
    }
    for (const file of (await readdir(folder)).filter((each) => each !== 'dhcp-hosts' && each !== 'names')) {
      for (const gid of gids) expect(await reads(12345, gid, file), `${file} by the group ${gid}`).toBe(false);
    }
    // A group with other members has no access. dnsmasq itself writes the pid file.
    const files = (await readdir(folder)).filter((file) => file !== 'pid');
    const owners = [folder, ...files.map((file) => path.join(folder, file))];
    for (const file of owners) expect((await stat(file)).gid, file).not.toBe(65534);
  });

  it('frees a lease at once, so that another MAC gets the address', async () => {
    await supervisor.start(desired());
    await askForLease(client, 'eth0', { args: ['-x', '0x3d:ff00aa'] });
    expect(await leases()).toHaveLength(1);
    const before = await pid();
    await supervisor.update(desired({ reservations: [] }));
    await supervisor.release(server(), web.address);
    expect(await leases()).toEqual([]);
    await supervisor.release(server(), web.address);
    await supervisor.update(desired({ reservations: [{ ...web, mac: db.mac }] }));
    await become(db.mac);
    expect(await askForLease(client, 'eth0')).toMatchObject({ ip: web.address });
    expect(await pid()).toBe(before);
  });

  it('loads new reservations and names without a restart', async () => {
    await supervisor.start(desired({ provideDns: true }));
    const before = await pid();
    await supervisor.update(desired({ provideDns: true, reservations: [web, db] }));
    await become(db.mac);
    expect(await askForLease(client, 'eth0')).toMatchObject({ ip: db.address });
    expect(await lookUp(client, GATEWAY, 'db')).toBe(db.address);
    expect(await pid()).toBe(before);
  });

  it('applies the last of many concurrent updates', async () => {
    await supervisor.start(desired({ reservations: [] }));
    const many = (count: number): Reservation[] =>
      Array.from({ length: count }, (_, index) => ({
        mac: `02:00:00:00:01:${index.toString(16).padStart(2, '0')}`,
        address: `172.16.0.${index + 20}`,
      }));
    await Promise.all([
      ...Array.from({ length: 50 }, (_, index) => supervisor.update(desired({ reservations: many(index) }))),
      supervisor.update(desired({ reservations: [db] })),
    ]);
    expect(await readFile(runtimePaths(root, network).dhcpHosts, 'utf8')).toBe(
      `${db.mac},id:*,${db.address},db.demo.internal\n`,
    );
    await become(db.mac);
    expect(await askForLease(client, 'eth0')).toMatchObject({ ip: db.address });
  });

  it('does not restore a reservation that another process removed meanwhile', async () => {
    let truth: Reservation[] = [web, db];
    const current = async () => desired({ reservations: truth });
    const other = newSupervisor();
    await supervisor.start(desired({ reservations: truth }), current);
    for (let round = 0; round < 10; round++) {
      truth = [web, db];
      const old = desired({ reservations: truth });
      truth = [db];
      // The other has read the store before the removal, and writes after it.
      await Promise.all([supervisor.update(await current(), current), other.update(old, current)]);
      expect(await readFile(runtimePaths(root, network).dhcpHosts, 'utf8')).not.toContain(web.mac);
    }
  });

  it('does nothing for an unchanged configuration', async () => {
    await supervisor.start(desired());
    const { folder } = runtimePaths(root, network);
    const state = async () => {
      const files = (await readdir(folder)).sort();
      return Promise.all(files.map(async (file) => [file, (await stat(path.join(folder, file))).ctimeMs]));
    };
    const before = [await pid(), await state()];
    for (let round = 0; round < 5; round++) await supervisor.start(desired());
    expect([await pid(), await state()]).toEqual(before);
  });

  it('restarts for a changed configuration, and keeps the leases', async () => {
    await supervisor.start(desired());
    await askForLease(client, 'eth0');
    const before = await pid();
    await supervisor.start(desired({ mtu: 1400 }));
    expect(await pid()).not.toBe(before);
    expect(await leases()).toHaveLength(1);
    expect(await askForLease(client, 'eth0')).toMatchObject({ mtu: '1400' });
  });

  it('continues to serve when the inner veth is created again', async () => {
    await supervisor.start(desired({ provideDns: true }));
    await inner.ip('link', 'delete', DEVICE);
    await makeInnerVeth();
    expect(await askForLease(client, 'eth0')).toMatchObject({ ip: web.address });
    await eventually(async () => (await lookUp(client, GATEWAY, 'web')) === web.address);
  });

  it('is restarted with the latest configuration when it exits', async () => {
    let reservations: Reservation[] = [web];
    await supervisor.start(desired(), async () => desired({ reservations }));
    const before = await pid();
    reservations = [db];
    process.kill(before, 'SIGKILL');
    await eventually(() => events.some(({ event }) => event === 'restarted'));
    expect(events.map(({ event }) => event)).toEqual(['died', 'restarted']);
    expect(await pid()).not.toBe(before);
    await become(db.mac);
    expect(await askForLease(client, 'eth0')).toMatchObject({ ip: db.address });
  });

  it('stays stopped when another process stops it', async () => {
    await supervisor.start(desired());
    expect(await pids()).toHaveLength(1);
    const other = newSupervisor();
    await other.stop(id());
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(await pids()).toEqual([]);
    expect(events).toEqual([]);
  });

  it('keeps running without its supervisor, and is adopted by the next one, also without a pid file', async () => {
    await supervisor.start(desired());
    const before = await pid();
    await supervisor.close();
    await rm(runtimePaths(root, network).pid);
    supervisor = newSupervisor();
    await supervisor.start(desired({ reservations: [db] }));
    expect(await pid()).toBe(before);
    await become(db.mac);
    expect(await askForLease(client, 'eth0')).toMatchObject({ ip: db.address });
    process.kill(before, 'SIGKILL');
    await eventually(() => events.some(({ event }) => event === 'restarted'));
    expect(await pid()).not.toBe(before);
  });

  it('distinguishes a foreign process from its own, whatever the pid file says', async () => {
    await supervisor.start(desired());
    const own = await pid();
    const stranger = spawn('sleep', ['60']);
    children.push(stranger);
    await writeFile(runtimePaths(root, network).pid, `${stranger.pid}\n`);
    expect(await supervisor.pid(id())).toBe(own);
    await supervisor.stop(id());
    expect(await pids()).toEqual([]);
    expect(stranger.exitCode ?? stranger.signalCode).toBeNull();
  });

  it.each([
    ['the folder of all hosts', () => path.dirname(root)],
    ['the log', () => runtimePaths(root, network).log],
    ['the leases', () => runtimePaths(root, network).leases],
  ])('is replaced when %s was removed, and frees leases as before', async (_what, removed) => {
    let config = desired();
    await supervisor.start(config, async () => config);
    expect(await askForLease(client, 'eth0')).toMatchObject({ ip: web.address });
    const before = await pid();
    await rm(removed(), { recursive: true });
    await eventually(async () => ![before, undefined].includes((await pids())[0]));
    await eventually(async () => events.some(({ event }) => event === 'restarted'));
    expect(events.map(({ event }) => event)).toEqual(['restarted']);
    await pid();
    expect(await supervisor.lacking(config, { files: true })).toBeUndefined();
    expect(await askForLease(client, 'eth0')).toMatchObject({ ip: web.address });
    expect(await leases()).toEqual([expect.objectContaining({ mac: web.mac, address: web.address })]);
    config = desired({ reservations: [{ ...db, address: web.address }] });
    await supervisor.update(config, async () => config);
    await supervisor.release(server(), web.address);
    await become(db.mac);
    expect(await askForLease(client, 'eth0')).toMatchObject({ ip: web.address });
  });

  it('is reported and replaced by a call when its files were removed without a supervisor', async () => {
    await supervisor.start(desired());
    await supervisor.close();
    const before = await pid();
    await rm(path.dirname(root), { recursive: true });
    const other = newSupervisor();
    expect(await other.lacking(desired(), { files: false })).toContain('files were removed');
    await other.update(desired({ reservations: [web, db] }));
    expect(await pids()).toHaveLength(1);
    expect(await pids()).not.toContain(before);
    expect(await other.lacking(desired({ reservations: [web, db] }), { files: true })).toBeUndefined();
    await become(db.mac);
    expect(await askForLease(client, 'eth0')).toMatchObject({ ip: db.address });
    expect(await leases()).toHaveLength(1);
  });

  it('stops a dnsmasq whose namespace was deleted, and serves the new one', async () => {
    await supervisor.start(desired());
    const before = await pid();
    await sh('ip', 'netns', 'delete', inner.name);
    inner = await TestNamespace.create(network, { exact: true });
    await client.ip('link', 'delete', 'eth0');
    await makeInnerVeth();
    await supervisor.start(desired());
    expect(await pid()).not.toBe(before);
    expect(await askForLease(client, 'eth0')).toMatchObject({ ip: web.address });
  });

  it('stops and removes its files, and can be stopped again', async () => {
    await supervisor.start(desired());
    const { folder } = runtimePaths(root, network);
    await Promise.all([supervisor.stop(id()), newSupervisor().stop(id())]);
    expect(await pids()).toEqual([]);
    await expect(stat(folder)).rejects.toMatchObject({ code: 'ENOENT' });
    await supervisor.stop(id());
    await supervisor.release(server(), web.address);
  });

  it('runs once after several concurrent starts', async () => {
    await Promise.all([1, 2, 3, 4].map(() => newSupervisor().start(desired())));
    expect(await pids()).toHaveLength(1);
    expect(await askForLease(client, 'eth0')).toMatchObject({ ip: web.address });
  });

  it('frees leases without reservation when it starts or is adopted', async () => {
    await supervisor.start(desired());
    await askForLease(client, 'eth0');
    await supervisor.close();
    supervisor = newSupervisor();
    await supervisor.start(desired({ reservations: [{ ...web, mac: db.mac }] }));
    expect(await leases()).toEqual([]);
    await become(db.mac);
    expect(await askForLease(client, 'eth0')).toMatchObject({ ip: web.address });
    await supervisor.close();
    process.kill((await pids())[0] as number, 'SIGKILL');
    await eventually(async () => (await pids()).length === 0);
    expect(await leases()).toHaveLength(1);
    supervisor = newSupervisor();
    await supervisor.start(desired());
    expect(await leases()).toEqual([]);
    await become(web.mac);
    expect(await askForLease(client, 'eth0')).toMatchObject({ ip: web.address });
  });

  it('reports the message of dnsmasq when it cannot start', async () => {
    // Another program uses the port exclusively.
    const thief = inner.spawn('python3', [
      '-c',
      'import socket,time; s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); s.bind(("0.0.0.0",67)); time.sleep(60)',
    ]);
    children.push(thief);
    await eventually(() => inner.run('ss', '-Hlnu', 'sport = 67'));
    await expect(supervisor.start(desired())).rejects.toMatchObject({
      code: 'ERR_VETHWORK_DNSMASQ',
      network,
      exitCode: 2,
      reason: 'failed to bind DHCP server socket: Address already in use',
    });
    expect(await pids()).toEqual([]);
  });

  it('rejects an invalid configuration before it changes anything', async () => {
    await expect(supervisor.start(desired({ domain: 'a\nuser=root' }))).rejects.toMatchObject({
      code: 'ERR_VETHWORK_VALIDATION',
    });
    await expect(stat(root)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('names the Debian package if dnsmasq is not installed', async () => {
    const empty = await mkdtemp(path.join(tmpdir(), 'vethwork-empty-'));
    await expect(findProgram([empty])).rejects.toMatchObject({
      code: 'ERR_VETHWORK_MISSING_PROGRAM',
      debianPackage: 'dnsmasq-base',
    });
    await rm(empty, { recursive: true });
  });
});
