/**
 * Passes invalid values to all exports of the package. Each call must end with a result or with a typed error that names the
 * invalid argument in a message of bounded length. A refused call must not change anything. The campaign runs in new
 * network, PID and mount namespaces, which the kernel removes at its end.
 */
import { spawn as spawnProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { CombinedError } from '../../src/errors.js';
import {
  adoptHost,
  diagnose,
  type Host,
  type Interface,
  type Network,
  openHost,
  ValidationError,
  VethworkError,
} from '../../src/index.js';
import { describeOperation, type Kernel, openKernel } from '../../src/kernel/index.js';
import { openLmdbStore } from '../../src/store/lmdb.js';
import { TestHost } from '../support/host.js';
import { attack } from '../support/hostile.js';
import { patience } from '../support/patience.js';
import { type Campaign, runCampaign } from './campaign.js';
import { changes, namespacePicture, statePicture } from './picture.js';

/** A function under test. */
interface Target {
  name: string;
  good: readonly unknown[];
  call: (...args: never[]) => unknown;
  /** Reverts an accepted call. Absent if there is nothing to revert. */
  undo?: (result: never) => unknown;
  /** True for slow functions, which are called less often. */
  rare?: boolean;
}

/** Maximum length of a message. */
const LONGEST_MESSAGE = 1000;
const LONGEST_JSON = 10_000;
/** Number of calls between two comparisons of the state. */
const BATCH = 40;
/** Intervals of 20 ms without an iteration of this event loop, after which it counts as blocked. */
const BLOCKED_TURNS = 1500;

const nowhere = 'vwt-no-such-namespace';

function kernelTargets(kernel: Kernel, inside: string): Target[] {
  const operations = [
    { op: 'link.set', netns: nowhere, link: { index: 5 }, changes: { mtu: 1400 }, undo: { mtu: 1500 } },
    {
      op: 'link.add',
      netns: nowhere,
      link: { kind: 'veth', name: 'a', data: { peer: { name: 'b', netns: nowhere } } },
    },
    { op: 'address.add', netns: nowhere, address: { index: 5, address: '10.0.0.1/24' } },
    { op: 'sysctl.set', netns: nowhere, key: 'ipv4/ip_forward', value: 1 },
    { op: 'nftables.batch', netns: nowhere, commands: [{ command: 'table.add', family: 'inet', name: 't' }] },
  ];
  const { signal } = new AbortController();
  const close = (closable: { close(): unknown }) => closable.close();
  return [
    { name: 'openKernel', good: [{ home: inside }], call: openKernel, undo: close },
    { name: 'describeOperation', good: [operations[0]], call: describeOperation },
    {
      name: 'kernel.transaction',
      good: [operations, { rollback: true, lane: 'a', signal }],
      call: kernel.transaction.bind(kernel),
    },
    { name: 'kernel.ensure', good: [operations, { lane: 'a' }], call: kernel.ensure.bind(kernel) },
    { name: 'kernel.teardown', good: [operations, { lane: 'a' }], call: kernel.teardown.bind(kernel) },
    { name: 'kernel.snapshot', good: [inside], call: kernel.snapshot.bind(kernel) },
    {
      name: 'kernel.query',
      good: ['link.get', { netns: inside, link: { name: 'lo' } }],
      call: kernel.query.bind(kernel) as never,
    },
    {
      name: 'kernel.query, 2',
      good: ['neighbour.list', { netns: inside, family: 'bridge', proxy: false }],
      call: kernel.query.bind(kernel) as never,
    },
    {
      name: 'kernel.run',
      good: ['/bin/true', ['a', 'b'], { netns: inside, timeout: 5000 }],
      call: kernel.run.bind(kernel),
    },
    {
      name: 'kernel.sendDatagram',
      good: [{ netns: inside, destination: '127.0.0.1', port: 9, payload: new Uint8Array(4), sourcePort: 0 }],
      call: kernel.sendDatagram.bind(kernel),
    },
    { name: 'kernel.ping', good: ['127.0.0.1', { netns: inside, timeout: 100 }], call: kernel.ping.bind(kernel) },
    {
      name: 'kernel.spawn',
      good: ['true', ['a'], { netns: inside, stdio: 'ignore', cwd: '/', env: { A: 'b' }, timeout: 5000 }],
      call: kernel.spawn.bind(kernel),
      undo: (child: ReturnType<Kernel['spawn']>) => {
        child.once('error', () => undefined);
        if (child.pid !== undefined) child.kill('SIGKILL');
      },
    },
    {
      name: 'kernel.spawn, here',
      good: ['true', ['a'], { stdio: 'ignore' }],
      call: kernel.spawn.bind(kernel),
      undo: (child: ReturnType<Kernel['spawn']>) => child.once('error', () => undefined),
    },
    {
      name: 'kernel.dial',
      good: [{ netns: inside, address: '127.0.0.1', port: 9, timeout: 100 }],
      call: kernel.dial.bind(kernel),
    },
    {
      name: 'kernel.listen',
      good: [{ netns: inside, address: '127.0.0.1', port: 0, backlog: 5, server: { noDelay: true } }],
      call: kernel.listen.bind(kernel),
      undo: close,
    },
    {
      name: 'kernel.bind',
      good: [{ netns: inside, address: '127.0.0.1', port: 0 }],
      call: kernel.bind.bind(kernel),
      undo: close,
    },
    {
      name: 'kernel.watch',
      good: [inside, { signal, topics: ['link'], snapshot: true, bufferBytes: 65_536 }],
      call: kernel.watch.bind(kernel),
      undo: async (watch: ReturnType<Kernel['watch']>) => {
        await watch.ready.catch(() => undefined);
        await watch.return();
      },
    },
    {
      name: 'kernel.watchNamespaces',
      good: [{ signal, snapshot: true }],
      call: kernel.watchNamespaces.bind(kernel),
      undo: (watch: ReturnType<Kernel['watchNamespaces']>) => watch.return(),
    },
  ];
}

function hostTargets(machine: TestHost, host: Host, network: Network, nic: Interface, guest: string): Target[] {
  const { signal } = new AbortController();
  const close = (closable: { close(): unknown }) => closable.close();
  const detach = (made: Interface) => made.detach();
  const common = {
    address: '172.16.0.77',
    mac: '02:00:00:00:00:77',
    hostname: 'h',
    order: 1,
    instance: 'i',
    allowedAddresses: ['172.16.0.78', '10.9.0.1'],
    metadata: { a: [1, { b: 'c' }] },
  };
  const metadata = [{ key: [1, { inner: 'text' }] }];
  return [
    {
      name: 'openHost',
      good: [machine.options],
      call: openHost,
      undo: close,
      rare: true,
    },
    {
      name: 'openHost, cluster',
      good: [
        {
          store: { etcd: ['http://127.0.0.1:1'], timeout: 1000, tls: { ca: '/none' } },
          node: 'n1',
          netns: machine.node.name,
          meshNic: 'eth0',
          vxlanSourcePorts: { low: 1, high: 2 },
        },
      ],
      call: openHost,
      undo: close,
      rare: true,
    },
    {
      name: 'adoptHost',
      good: [{ ...machine.options, stateDir: '/nonexistent/state', netns: nowhere, dryRun: true }],
      call: adoptHost,
      rare: true,
    },
    {
      name: 'diagnose',
      good: [{ netns: machine.node.name, egressNic: 'eth0', vxlanPort: 4789, root: '/' }],
      call: diagnose,
      rare: true,
    },
    {
      name: 'host.createNetwork',
      good: [
        {
          name: 'made',
          netblock: '10.77.0.0/24',
          provideDhcp: false,
          provideNat: true,
          vni: 7777,
          floatingGateway: '192.168.15.77',
          mtu: 1400,
          tenant: 't',
          metadata: { a: 1 },
          uuid: '11111111-1111-4111-8111-111111111111',
        },
      ],
      call: host.createNetwork.bind(host),
      undo: (made: Network) => made.delete(),
    },
    { name: 'host.getNetwork', good: ['base'], call: host.getNetwork.bind(host) },
    { name: 'host.getInterface', good: ['tap0'], call: host.getInterface.bind(host) },
    { name: 'host.reconcile', good: [{ dryRun: true, signal }], call: host.reconcile.bind(host), rare: true },
    {
      name: 'host.watchDrift',
      good: [{ interval: 60_000, signal }],
      call: host.watchDrift.bind(host),
      undo: close,
      rare: true,
    },
    {
      name: 'host.events',
      good: [{ follow: false, history: true, subject: 'x', signal }],
      call: host.events.bind(host),
      undo: (events: AsyncIterator<unknown>) => events.return?.(),
    },
    {
      name: 'network.attach, tap',
      good: [{ tap: 'tap7', owner: 0, ...common }],
      call: network.attach.bind(network),
      undo: detach,
    },
    {
      name: 'network.attach, container',
      good: [{ netns: guest, name: 'eth7', configure: true, ...common }],
      call: network.attach.bind(network),
      undo: detach,
    },
    {
      name: 'network.attach, device',
      good: [{ device: 'dev0', ...common }],
      call: network.attach.bind(network),
      undo: detach,
    },
    {
      name: 'network.attach, slot',
      good: [{ slot: 'none', hostname: 'h9', instance: 'i', metadata: {}, signal }],
      call: network.attach.bind(network),
      undo: detach,
    },
    {
      name: 'network.prepare',
      good: [
        {
          ...{ kind: 'clone', name: 'p', min: 1, max: 1, order: 0, model: 'm', antiSpoofing: true, owner: 0 },
          ...{ multiQueue: false, signal },
          guest: { tap: 'tap0', mac: '06:00:ac:10:00:02', address: '172.16.0.2', gateway: '172.16.0.1' },
        },
      ],
      call: network.prepare.bind(network),
      undo: (pool: { delete(): Promise<void> }) => pool.delete(),
      rare: true,
    },
    {
      name: 'network.routeAddress',
      good: [{ address: '192.168.15.88' }],
      call: network.routeAddress.bind(network),
      undo: (address: string) => network.unrouteAddress(address),
    },
    { name: 'network.unroute', good: ['192.168.15.99'], call: network.unrouteAddress.bind(network) },
    { name: 'network.ping', good: ['172.16.0.1', { timeout: 100 }], call: network.ping.bind(network) },
    {
      name: 'network.setMetadata',
      good: metadata,
      call: network.setMetadata.bind(network),
      undo: () => network.setMetadata({}),
    },
    { name: 'nic.setMetadata', good: metadata, call: nic.setMetadata.bind(nic), undo: () => nic.setMetadata({}) },
    { name: 'nic.float', good: [{ address: '192.168.15.66' }], call: nic.float.bind(nic), undo: () => nic.defloat() },
  ];
}

/** Description of a wrong refusal; undefined if the refusal is correct. */
function fault(error: unknown): string | undefined {
  if (error instanceof CombinedError && error.errors.length > 0) return error.errors.map(fault).find(Boolean);
  if (!(error instanceof VethworkError))
    return `an error without type: ${String((error as Error)?.stack ?? error).slice(0, 600)}`;
  if (error.message.length > LONGEST_MESSAGE)
    return `a message of ${error.message.length} characters: ${error.message.slice(0, 200)}`;
  if (error instanceof ValidationError && (error.field === '' || error.expected === ''))
    return `no field: ${error.message}`;
  try {
    const { length } = JSON.stringify(error);
    return length > LONGEST_JSON ? `JSON of ${length} characters: ${error.message.slice(0, 200)}` : undefined;
  } catch (failure) {
    return `no JSON: ${failure}`;
  }
}

/** Monitors this event loop from another thread, and reports the current call if the loop is blocked. */
class Heartbeat {
  readonly #beats = new Int32Array(new SharedArrayBuffer(4));
  readonly #text = new Uint8Array(new SharedArrayBuffer(1024));
  readonly #timer = setInterval(() => Atomics.add(this.#beats, 0, 1), 5);
  readonly #worker = new Worker(
    `const { workerData: { beats, text, most } } = require('node:worker_threads');
    const { writeSync } = require('node:fs');
    let last = -1;
    let missed = 0;
    setInterval(() => {
      const now = Atomics.load(beats, 0);
      missed = now === last ? missed + 1 : 0;
      last = now;
      if (missed < most) return;
      writeSync(1, 'values: FOUND the event loop is blocked: ' + Buffer.from(text).toString().replace(/\\0.*/s, '') + '\\n');
      process.kill(process.pid, 'SIGKILL');
    }, 20);`,
    { eval: true, workerData: { beats: this.#beats, text: this.#text, most: patience(BLOCKED_TURNS) } },
  );

  doing(what: string): void {
    this.#text.fill(0);
    new TextEncoder().encodeInto(what.slice(0, 300), this.#text);
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#worker.terminate();
  }
}

async function run(campaign: Campaign) {
  const stray: string[] = [];
  process.on('unhandledRejection', (reason) =>
    stray.push(`unhandled rejection: ${(reason as Error)?.stack ?? String(reason)}`),
  );
  process.on('uncaughtException', (error) => stray.push(`uncaught exception: ${error?.stack ?? error}`));
  process.on('warning', (warning) => stray.push(`warning: ${warning.stack}`));
  const heart = new Heartbeat();
  const machine = await TestHost.create({ deletionHalo: 0 });
  const counts = { calls: 0, refused: 0, accepted: 0, looks: 0 };
  const kernel = openKernel();
  try {
    const host = await machine.open();
    const guest = await machine.guest();
    await machine.node.ip('link', 'add', 'dev0', 'type', 'veth', 'peer', 'name', 'dev1');
    const network = await host.createNetwork({ name: 'base', netblock: '172.16.0.0/24', provideDhcp: false });
    const nic = await network.attach({ tap: 'tap0' });
    // The table of slots stays after the first pool.
    await (await network.prepare({ kind: 'tap', min: 1 })).delete();
    const store = await openLmdbStore(machine.options.stateDir);
    const targets = [...kernelTargets(kernel, guest.name), ...hostTargets(machine, host, network, nic, guest.name)];
    const picture = async () => {
      await host.drained();
      const places = [machine.node.name, guest.name, network.uuid];
      const parts = await Promise.all([...places.map(namespacePicture), statePicture(store, machine.options.stateDir)]);
      return parts.flat();
    };
    let before = await picture();
    const batch: string[] = [];
    const look = async () => {
      const after = await picture();
      counts.looks++;
      for (const line of changes(before, after)) {
        campaign.finding(`changed by one of the last ${batch.length} calls: ${line}`);
      }
      if (changes(before, after).length > 0) for (const call of batch) console.log(`  after ${call}`);
      batch.length = 0;
      before = after;
    };
    const { random } = campaign;
    while (!campaign.expired(counts.calls) && campaign.findings.length < 30) {
      const target = random.pick(targets) as Target;
      if (target.rare === true && !random.chance(0.1)) continue;
      // Some calls use valid arguments (positive control).
      const { what, args } = random.chance(0.03)
        ? { what: 'good', args: [...target.good] }
        : attack(random, target.good);
      const title = `${target.name}: ${what}`;
      heart.doing(title);
      batch.push(title);
      counts.calls++;
      let error: unknown;
      try {
        const result = await (target.call as (...args: unknown[]) => unknown)(...args);
        counts.accepted++;
        heart.doing(`undo of ${title}`);
        await (target.undo as ((result: unknown) => unknown) | undefined)?.(result);
      } catch (caught) {
        error = caught ?? new Error('nothing was thrown');
        counts.refused++;
      }
      await new Promise(setImmediate);
      const wrong = error === undefined ? undefined : fault(error);
      if (wrong !== undefined) campaign.finding(`${title}: ${wrong}`);
      for (const each of stray.splice(0)) campaign.finding(`${title}: ${each.slice(0, 800)}`);
      if (batch.length >= BATCH) await look();
    }
    await look();
    if (counts.accepted === 0 || counts.refused === 0) campaign.finding('nothing was accepted, or nothing refused');
    await store.close();
  } finally {
    await kernel.close();
    await machine.remove();
    await heart.stop();
  }
  return counts;
}

if (process.env.VETHWORK_SANDBOX === undefined) {
  // PID 1 of a PID namespace cannot be killed from within. The shell is PID 1. The project may be in /tmp.
  const prepare = [
    'mount --rbind "$0" /mnt && mount -t tmpfs run /run && mount -t tmpfs tmp /tmp',
    'mkdir -p /run/netns "$0" && mount --move /mnt "$0" && cd /tmp && "$@"; exit $?',
  ].join(' && ');
  const [project = ''] = fileURLToPath(import.meta.url).split('/node_modules/');
  const namespaces = ['--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc'];
  const program = [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  const child = spawnProcess('unshare', [...namespaces, 'sh', '-c', prepare, project, ...program], {
    stdio: 'inherit',
    env: { ...process.env, VETHWORK_SANDBOX: '1' },
  });
  const [code] = (await once(child, 'exit')) as [number | null];
  process.exitCode = code ?? 1;
} else {
  await mkdir('/tmp/work', { recursive: true });
  process.chdir('/tmp/work');
  await runCampaign('values', 60, run);
}
