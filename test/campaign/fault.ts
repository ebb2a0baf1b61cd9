/**
 * Makes each step of each call fail once: each netlink message and each system call of the engine. A failed call that
 * creates objects must roll back completely and name the failed step. A failed removal may be incomplete; reconciliation
 * completes it.
 */

import { CombinedError, KernelError } from '../../src/errors.js';
import { repairText } from '../../src/format/repair.js';
import type { Host, Network, Pool } from '../../src/index.js';
import { openLmdbStore } from '../../src/store/lmdb.js';
import { TestHost } from '../support/host.js';
import { eventually } from '../support/namespaces.js';
import { type Campaign, runCampaign } from './campaign.js';
import { armFault, type Errno, type FaultKind } from './faults.js';
import { changes, namespacePicture, statePicture } from './picture.js';

type Undo = () => Promise<unknown>;

interface Scenario {
  name: string;
  /** Creates the initial state. The fault is not yet armed. */
  prepare?: () => Promise<unknown>;
  /** The call under test. Resolves to a function that reverts it. */
  call: (prepared: unknown) => Promise<Undo>;
  /** True if the call removes objects. */
  removes?: boolean;
  /** Removes what `prepare` has made. Runs after each trial, whatever has failed. */
  cleanup?: () => Promise<unknown>;
}

const ERRNOS: readonly Errno[] = ['ENOMEM', 'EBUSY', 'EEXIST', 'EPERM', 'ENOBUFS'];
/** A truncated response causes a timeout of one second, so that this fault is used less often. */
const KINDS: readonly FaultKind[] = [
  'refuse',
  'refuse',
  'loseAnswer',
  'refuse',
  'interruptDump',
  'refuse',
  'cutAnswer',
];
/** Upper bound of the steps of a call. */
const MOST_STEPS = 500;

function scenarios(host: Host, network: Network, guest: string): Scenario[] {
  const create = (options: object) => () => host.createNetwork({ name: 'made', netblock: '10.77.0.0/24', ...options });
  const attach = (options: Parameters<Network['attach']>[0]) => () => network.attach(options);
  const makers: [string, () => Promise<{ delete?: Undo; detach?: Undo }>][] = [
    ['create a network with everything', create({ provideDns: true })],
    ['create a network alone', create({ provideNat: false, provideDhcp: false })],
    ['attach a tap', attach({ tap: 'tap1' })],
    ['attach a container', attach({ netns: guest, name: 'eth1', configure: true, order: 1 })],
    ['attach a device', attach({ device: 'dev0' })],
  ];
  const takeBack =
    (made: { delete?: Undo; detach?: Undo }): Undo =>
    () =>
      (made.delete ?? (made.detach as Undo)).call(made);
  const nic = async () => host.getInterface((await network.listInterfaces())[0]?.uuid as string);
  return [
    ...makers.map(([name, make]): Scenario => ({ name, call: async () => takeBack(await make()) })),
    {
      name: 'float',
      call: async () => {
        await (await nic()).float({ address: '192.168.15.77' });
        return async () => (await nic()).defloat();
      },
    },
    {
      name: 'route an address',
      call: async () => {
        await network.routeAddress({ address: '192.168.15.88' });
        return () => network.unrouteAddress('192.168.15.88');
      },
    },
    ...makers.map(
      ([name, make]): Scenario => ({
        name: name.replace('create', 'delete').replace('attach', 'detach'),
        removes: true,
        prepare: make,
        call: async (made) => {
          await takeBack(made as object)();
          return async () => undefined;
        },
      }),
    ),
    {
      name: 'defloat',
      removes: true,
      prepare: async () => (await nic()).float({ address: '192.168.15.77' }),
      call: async () => {
        await (await nic()).defloat();
        return async () => undefined;
      },
    },
    {
      name: 'unroute an address',
      removes: true,
      prepare: () => network.routeAddress({ address: '192.168.15.88' }),
      call: async () => {
        await network.unrouteAddress('192.168.15.88');
        return async () => undefined;
      },
    },
  ];
}

/** Calls on pools. Each trial has a pool of its own: refills in the background give it other slots. */
function poolScenarios(network: Network): Scenario[] {
  const slots = async (isFree: boolean) =>
    (await network.listInterfaces()).filter(({ pool, state }) => pool !== undefined && (state === 'free') === isFree);
  const cleanup = async () => {
    for (const { uuid } of await network.listPools()) await (await network.getPool(uuid)).delete();
    // A refill that had begun may make another one, and removes it.
    await eventually(async () => (await slots(true)).length === 0);
  };
  /** A pool with one free slot, and no refill that is due. */
  const make = async (kind: 'tap' | 'namespace'): Promise<Pool> => {
    const pool = await network.prepare({ kind, min: 1, max: 2 });
    await eventually(async () => (await pool.status()).free === 1);
    return pool;
  };
  return (['tap', 'namespace'] as const).flatMap((kind): Scenario[] => [
    {
      name: `prepare a pool: ${kind}`,
      cleanup,
      call: async () => {
        await network.prepare({ kind, min: 1, max: 2 });
        return async () => undefined;
      },
    },
    {
      name: `claim: ${kind}`,
      cleanup,
      prepare: () => make(kind),
      call: async (pool) => {
        try {
          const nic = await network.attach({ slot: pool as Pool });
          return () => nic.detach();
        } catch (error) {
          const { free, claimed } = await (pool as Pool).status();
          if (free !== 1 || claimed !== 0)
            throw new Error(`${free} free, ${claimed} claimed after it`, { cause: error });
          throw error;
        }
      },
    },
    {
      name: `release: ${kind}`,
      cleanup,
      removes: true,
      prepare: async () => {
        const pool = await make(kind);
        const nic = await network.attach({ slot: pool });
        await eventually(async () => (await pool.status()).free === 1);
        return nic;
      },
      call: async (nic) => {
        await (nic as Awaited<ReturnType<Network['attach']>>).detach();
        return async () => undefined;
      },
    },
    {
      name: `delete a pool: ${kind}`,
      cleanup,
      removes: true,
      prepare: () => make(kind),
      call: async (pool) => {
        await (pool as Pool).delete();
        return async () => undefined;
      },
    },
  ]);
}

class Trials {
  faults = 0;
  absorbed = 0;
  #kind: number;

  constructor(
    private readonly campaign: Campaign,
    private readonly host: Host,
    private readonly picture: () => Promise<string[]>,
  ) {
    this.#kind = campaign.random.integer(0, 1000);
  }

  /** Makes the first step fail, then the second, and so on, until the call completes without a fault. */
  async exhaust(scenario: Scenario, round: number): Promise<void> {
    const before = await this.picture();
    for (let step = 1; step < MOST_STEPS; step++) {
      // After the first round, steps are skipped when the time limit is reached.
      if (round > 0 && this.campaign.expired()) return;
      if (this.campaign.findings.length > 20) return;
      const kind = KINDS[this.#kind++ % KINDS.length] as FaultKind;
      const errno = ERRNOS[this.#kind % ERRNOS.length] as Errno;
      const title = `${scenario.name}, step ${step}, ${kind === 'refuse' ? errno : kind}`;
      const met = await this.#try(scenario, { title, step, kind, errno });
      if (!met && kind !== 'refuse') {
        // The call has fewer dumps or messages than steps.
        step--;
        continue;
      }
      for (const line of changes(before, await this.picture())) this.campaign.finding(`${title}: ${line}`);
      if (!met) {
        if (step === 1) this.campaign.finding(`${title}: the call has no steps`);
        return;
      }
    }
    throw new Error(`${scenario.name} has more than the maximum of steps`);
  }

  /** True if the fault occurred in the call. */
  async #try(
    { prepare, call, removes = false, cleanup }: Scenario,
    { title, step, kind, errno }: { title: string; step: number; kind: FaultKind; errno: Errno },
  ): Promise<boolean> {
    const prepared = await prepare?.();
    await this.host.drained();
    armFault(kind, step, errno);
    let undo: Undo | undefined;
    let failure: unknown;
    try {
      undo = await call(prepared);
    } catch (error) {
      failure = error;
    }
    // Includes background work of the call.
    if (failure === undefined) await this.host.drained().catch(() => undefined);
    const met = !armFault('refuse', 0);
    if (met) this.faults++;
    if (failure !== undefined) this.#judge(title, failure, kind === 'refuse' ? errno : undefined);
    else if (met) this.absorbed++;
    if (failure === undefined || removes) {
      for (const result of await this.host.reconcile()) {
        if (result.error !== undefined || !removes) this.campaign.finding(`${title}: afterwards ${repairText(result)}`);
      }
    }
    await undo?.();
    await cleanup?.();
    return met;
  }

  /** Checks that the error names the failed step. */
  #judge(title: string, failure: unknown, errno: Errno | undefined): void {
    const errors = failure instanceof CombinedError ? failure.errors : [failure];
    for (const error of errors) {
      const named =
        error instanceof KernelError && error.operation !== '' && (errno === undefined || error.code === errno);
      if (!named) this.campaign.finding(`${title}: the error does not say what failed: ${(error as Error).stack}`);
    }
  }
}

await runCampaign('fault', 120, async (campaign) => {
  const machine = await TestHost.create({ deletionHalo: 0 });
  try {
    const host = await machine.open();
    const guest = await machine.guest();
    await machine.node.ip('link', 'add', 'dev0', 'type', 'veth', 'peer', 'name', 'dev1');
    const network = await host.createNetwork({
      name: 'base',
      netblock: '10.66.0.0/24',
      floatingGateway: '192.168.15.66',
    });
    await network.attach({ netns: guest.name, configure: true });
    const store = await openLmdbStore(machine.options.stateDir);
    const places = [machine.node.name, guest.name, network.uuid];
    const picture = async () => {
      await host.drained().catch(() => host.drained());
      const parts = await Promise.all([...places.map(namespacePicture), statePicture(store, machine.options.stateDir)]);
      return parts.flat();
    };
    const trials = new Trials(campaign, host, picture);
    // The first pool also creates the table of slots, which stays.
    await (await network.prepare({ kind: 'tap', min: 1 })).delete();
    const all = [...scenarios(host, network, guest.name), ...poolScenarios(network)];
    let rounds = 0;
    do {
      for (const scenario of all) await trials.exhaust(scenario, rounds);
      rounds++;
    } while (!campaign.expired() && campaign.findings.length === 0);
    await store.close();
    return { rounds, calls: all.length, faults: trials.faults, 'of them without effect': trials.absorbed };
  } finally {
    armFault('refuse', 0);
    await machine.remove();
  }
});
