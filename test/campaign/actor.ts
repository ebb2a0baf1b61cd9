import { spawn } from 'node:child_process';
import { CombinedError, KernelError } from '../../src/errors.js';
import type { Host } from '../../src/index.js';
import type { Random } from './random.js';

/** Options of an actor, which performs random operations on networks. */
export interface ActorOptions {
  random: Random;
  /** Namespaces of containers. */
  guests: readonly string[];
  /** Links of the host to attach. */
  devices: readonly string[];
  /** Prefix of the networks' UUIDs. */
  prefix: string;
  maxNetworks: number;
  /** Called for unexpected errors. */
  onSurprise: (text: string) => void;
}

type Act = (host: Host, options: ActorOptions) => Promise<void>;

const hex = (random: Random, digits: number) =>
  Array.from({ length: digits }, () => random.integer(0, 15).toString(16)).join('');

const createNetwork: Act = async (host, { random, prefix, maxNetworks }) => {
  if ((await host.listNetworks()).length >= maxNetworks) return;
  await host.createNetwork({
    name: `net${random.integer(0, 999)}`,
    uuid: `${prefix}-${hex(random, 4)}-4${hex(random, 3)}-8${hex(random, 3)}-${hex(random, 12)}`,
    netblock: `10.${random.integer(0, 255)}.${random.integer(0, 255)}.0/24`,
    provideDhcp: random.chance(0.4),
    provideDns: random.chance(0.2),
    provideNat: random.chance(0.85),
  });
};

async function someNetwork(host: Host, random: Random) {
  const info = random.pick(await host.listNetworks());
  return info && host.getNetwork(info.uuid);
}

async function someInterface(host: Host, random: Random) {
  const info = random.pick(await host.listInterfaces());
  return info && host.getInterface(info.uuid);
}

/** Starts a real DHCP client without waiting for it. */
function askForLease(netns: string, device: string): void {
  const udhcpc = ['busybox', 'udhcpc', '-i', device, '-f', '-n', '-q', '-t', '2', '-T', '1', '-s', '/bin/true'];
  spawn('ip', ['netns', 'exec', netns, 'ip', 'link', 'set', device, 'up'], { stdio: 'ignore' }).once('exit', () =>
    spawn('ip', ['netns', 'exec', netns, ...udhcpc], { stdio: 'ignore' }).unref(),
  );
}

const attach: Act = async (host, { random, guests, devices }) => {
  const network = await someNetwork(host, random);
  const way = random.integer(0, 9);
  if (way < 5) await network?.attach({ tap: `t${hex(random, 6)}` });
  else if (way < 9) {
    const netns = random.pick(guests) as string;
    const name = `e${hex(random, 6)}`;
    const nic = await network?.attach({ netns, name, configure: random.chance(0.5), order: random.integer(0, 1023) });
    if (nic !== undefined && network?.info.provideDhcp === true && random.chance(0.3)) askForLease(netns, name);
  } else await network?.attach({ device: random.pick(devices) as string });
};

const preparePool: Act = async (host, { random }) => {
  const kind = random.pick(['tap', 'namespace'] as const) ?? 'tap';
  await (await someNetwork(host, random))?.prepare({ kind, min: 1, max: random.integer(1, 4) });
};

async function somePool(host: Host, random: Random) {
  const info = random.pick(await host.listPools());
  return info && { info, network: await host.getNetwork(info.network) };
}

const claimSlot: Act = async (host, { random }) => {
  const pool = await somePool(host, random);
  await pool?.network.attach({ slot: pool.info.uuid, ...(random.chance(0.3) && { hostname: `h${hex(random, 6)}` }) });
};

const acts: readonly (readonly [weight: number, act: Act])[] = [
  [12, createNetwork],
  [30, attach],
  [6, preparePool],
  [14, claimSlot],
  [
    2,
    async (host, { random }) => {
      const pool = await somePool(host, random);
      await (await pool?.network.getPool(pool.info.uuid))?.delete();
    },
  ],
  [16, async (host, { random }) => void (await (await someInterface(host, random))?.float())],
  [8, async (host, { random }) => (await someInterface(host, random))?.defloat()],
  [10, async (host, { random }) => void (await (await someNetwork(host, random))?.routeAddress())],
  [
    6,
    async (host, { random }) => {
      const network = await someNetwork(host, random);
      const address = random.pick(network?.info.routedAddresses ?? []);
      if (address !== undefined) await network?.unrouteAddress(address);
    },
  ],
  [14, async (host, { random }) => (await someInterface(host, random))?.detach()],
  [8, async (host, { random }) => (await someNetwork(host, random))?.delete()],
];

/** Operations with their relative frequencies. */
const deck = acts.flatMap(([weight, act]) => Array.from({ length: weight }, () => act));

/** Expected errors of concurrent operations: the object may be deleted, or the value may be in use. */
const ORDINARY = new Set([
  'ERR_VETHWORK_CONFLICT',
  'ERR_VETHWORK_NOT_FOUND',
  'ERR_VETHWORK_CONGESTED',
  'ERR_VETHWORK_CAPACITY',
]);

/** Performs random operations concurrently until it is stopped. Resolves when all operations have ended. */
export async function actAtRandom(host: Host, options: ActorOptions, isOver: () => boolean): Promise<number> {
  const { random, onSurprise } = options;
  let count = 0;
  const actOnAndOn = async () => {
    while (!isOver()) {
      try {
        await random.pick(deck)?.(host, options);
        count++;
      } catch (error) {
        if (!isOrdinary(error)) onSurprise(describeError(error));
      }
      await new Promise(setImmediate);
    }
  };
  await Promise.all(Array.from({ length: random.integer(1, 6) }, actOnAndOn));
  return count;
}

export function isOrdinary(error: unknown): boolean {
  return ORDINARY.has((error as { code?: string }).code ?? '');
}

export function describeError(error: unknown): string {
  if (error instanceof CombinedError) return `${error.message} [${error.errors.map(describeError).join(' | ')}]`;
  if (error instanceof KernelError) return error.message;
  return (error as Error).stack ?? String(error);
}
