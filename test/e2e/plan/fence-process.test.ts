import type { ChildProcess } from 'node:child_process';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Kernel, openKernel } from '../../../src/kernel/index.js';
import { addonFolder } from '../../../src/kernel/load-addon.js';
import type { DesiredHost } from '../../../src/plan/desired.js';
import { planHost } from '../../../src/plan/host.js';
import { planNetwork } from '../../../src/plan/network.js';
import { connect, eventually, privileged, TestNamespace } from '../../support/namespaces.js';
import { ping } from '../../support/ping.js';
import { python } from '../../support/scapy.js';
import { Ear } from '../../support/traffic.js';
import * as fixtures from '../../unit/plan/fixtures.js';

const GATEWAY = '192.168.15.194';
const HOLDER = '10.98.0.1';
const SUCCESSOR = '10.98.0.2';
const PORT = '4790';

describe.skipIf(!privileged)('the process that renews the fence', () => {
  let machine: TestNamespace;
  let successor: TestNamespace;
  let outside: TestNamespace;
  let inside: TestNamespace;
  const kernel: Kernel = openKernel();
  const host: DesiredHost = { ...fixtures.host, fence: true };
  const running: ChildProcess[] = [];

  beforeAll(async () => {
    machine = await TestNamespace.create('holder');
    successor = await TestNamespace.create('successor');
    outside = await TestNamespace.create('outside');
    inside = TestNamespace.named(`${machine.name}-net`);
    await connect([machine, 'eth0'], [successor, 'eth0']);
    await machine.ip('address', 'add', `${HOLDER}/24`, 'dev', 'eth0');
    await successor.ip('address', 'add', `${SUCCESSOR}/24`, 'dev', 'eth0');
    host.netns = machine.name;
    const [{ ifindex }] = JSON.parse(await machine.ip('-j', 'link', 'show', 'eth0')) as [{ ifindex: number }];
    const network = { ...fixtures.network, uuid: inside.name, mtu: 1450 };
    await kernel.transaction([...planHost(host), ...planNetwork(host, { index: ifindex, address: HOLDER }, network)]);
    await connect([machine, 'uplink'], [outside, 'eth0']);
    await machine.ip('link', 'set', 'uplink', 'master', host.egressBridge.name);
    await outside.ip('address', 'add', '192.168.15.250/24', 'dev', 'eth0');
    run(machine, 'hold', host.egressBridge.mac, '1000', HOLDER, SUCCESSOR, PORT);
  });

  afterAll(async () => {
    for (const child of running) await stop(child);
    await kernel.close();
    for (const namespace of [inside, machine, successor, outside]) await namespace?.remove();
  });

  function run(at: TestNamespace, ...args: string[]): ChildProcess {
    const child = at.spawn(path.join(addonFolder(), 'vethwork-fence'), args, { stdio: 'inherit' });
    running.push(child);
    return child;
  }

  async function stop(child: ChildProcess): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once('close', resolve));
    child.kill('SIGKILL');
    await ended;
  }

  const answers = () => ping(outside, GATEWAY, '-W', '1');
  const opens = () => eventually(answers);
  const closes = () => eventually(async () => !(await answers()));
  const acknowledge = () => run(successor, 'acknowledge', SUCCESSOR, HOLDER, PORT);

  it('opens it only while the successor acknowledges', async () => {
    expect(await answers()).toBe(false);
    const one = acknowledge();
    await opens();
    await stop(one);
    await closes();
    acknowledge();
    await opens();
  });

  it.each(['requests', 'acknowledgements'])('closes it if only %s are lost', async (which) => {
    const at = which === 'requests' ? successor : machine;
    await at.run('nft', 'add table ip cut; add chain ip cut in { type filter hook input priority 0; }');
    await opens();
    await at.run('nft', 'add', 'rule', 'ip', 'cut', 'in', 'udp', 'dport', PORT, 'drop');
    await closes();
    await at.run('nft', 'delete', 'table', 'ip', 'cut');
    await opens();
  });

  it('cannot keep it open when it is stopped: not even ARP is answered', async () => {
    await opens();
    const [holder] = running as [ChildProcess];
    holder.kill('SIGSTOP');
    await closes();
    await using ear = await Ear.open(outside, 'eth0', 'arp');
    await outside.ip('neighbour', 'flush', 'all');
    expect(await answers()).toBe(false);
    const heard = await ear.close();
    expect(heard.filter((line) => line.includes(`who-has ${GATEWAY} `)).length).toBeGreaterThan(0);
    expect(heard.filter((line) => line.includes('Reply'))).toEqual([]);
    holder.kill('SIGCONT');
    await opens();
  });

  it('accepts no acknowledgement of another process, of what it has not sent, or that is malformed', async () => {
    await opens();
    for (const child of running.slice(1)) await stop(child);
    await closes();
    await python(
      successor,
      `
import socket, struct, time
one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
one.bind(("${SUCCESSOR}", ${PORT}))
one.settimeout(5)
request, _ = one.recvfrom(100)
magic, version, kind, reserved, holder, sequence = struct.unpack(">4sBBHQQ", request)
forged = [
    struct.pack(">4sBBHQQ", magic, version, 2, 0, holder ^ 1, sequence),
    struct.pack(">4sBBHQQ", magic, version, 2, 0, holder, sequence + 1000000),
    struct.pack(">4sBBHQQ", magic, version + 1, 2, 0, holder, sequence),
    struct.pack(">4sBBHQQ", magic, version, 1, 0, holder, sequence),
    struct.pack(">4sBBHQQ", b"VWFM", version, 2, 0, holder, sequence),
    request[:-1], request + b"x", b"",
]
for _ in range(20):
    for each in forged:
        one.sendto(each, ("${HOLDER}", ${PORT}))
    time.sleep(0.02)
`,
    );
    expect(await answers()).toBe(false);
    acknowledge();
    await opens();
  });

  it('reports wrong arguments', async () => {
    const program = path.join(addonFolder(), 'vethwork-fence');
    const result = (...args: string[]) =>
      machine.run('bash', '-c', `${program} ${args.join(' ')} 2>&1; echo "exit $?"`);
    expect(await result('hold')).toMatch(/usage: [\s\S]*exit 2/);
    expect(await result('hold', host.egressBridge.mac, '5', HOLDER, SUCCESSOR, PORT)).toMatch(
      /5: Invalid[\s\S]*exit 1/,
    );
    expect(await result('acknowledge', 'x', HOLDER, PORT)).toMatch(/x: Invalid[\s\S]*exit 1/);
  });
});
