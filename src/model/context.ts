import type { IndexAllocator } from '../ipam/ifindex.js';
import type { AddressPool } from '../ipam/pool.js';
import type { Kernel } from '../kernel/kernel.js';
import type { Operation } from '../kernel/operation.js';
import { markForDeletion } from '../plan/deletion.js';
import type { DesiredHost } from '../plan/desired.js';
import type { MeshPeers } from '../plan/mesh-filter.js';
import type { Store } from '../store/store.js';
import type { Actions } from './actions.js';
import type { Departures } from './departures.js';
import type { Dhcp } from './dhcp.js';
import type { Events } from './events.js';
import type { Facts } from './facts.js';
import type { HostEnvironment } from './host-environment.js';
import type { Locks } from './lock.js';
import type { Settings } from './options.js';
import type { Reaper } from './reaper.js';

/** What all work on a host shares. */
export interface Context {
  readonly environment: HostEnvironment;
  readonly settings: Settings;
  readonly kernel: Kernel;
  readonly store: Store;
  readonly indexes: IndexAllocator;
  readonly locks: Locks;
  readonly reaper: Reaper;
  readonly dhcp: Dhcp;
  readonly events: Events;
  readonly floating: AddressPool;
  readonly facts: Facts;
  readonly departures: Departures;
  readonly actions: Actions;
  /** This node of a cluster; absent on a machine by itself. */
  readonly node?: string;
  /** The host as it is to be. */
  readonly host: DesiredHost;
  /** The other nodes of the cluster, as far as they are known; absent on a machine by itself. */
  readonly peers?: () => MeshPeers;
}

/**
 * Where many links go at once, has them deleted together. What takes each out of service is to follow: it finds them
 * gone, or does what this could not.
 */
export async function condemnTogether(context: Context, links: readonly number[]): Promise<void> {
  const { kernel, reaper, departures, host } = context;
  if (!departures.areMany) return;
  await kernel.teardown(links.map((index) => markForDeletion(host.netns, index)));
  await reaper.sweep();
}

/** Takes things away, whatever fails, and lets the reaper delete the links. Resolves to the errors met. */
export async function takeAway({ kernel, reaper }: Context, plan: readonly Operation[]): Promise<Error[]> {
  const errors = await kernel.teardown(plan);
  reaper.wake();
  return errors;
}

/** What infos say if they may be outdated. */
export function asOf({ actions }: Context): { asOf?: string } {
  const time = actions.asOf();
  return time === undefined ? {} : { asOf: time };
}

/** Deletion halo in milliseconds. */
export const halo = ({ settings }: Context): number => settings.deletionHalo;

/** Collects the errors of steps that must all be tried. */
export class Errors {
  readonly #errors: Error[] = [];

  add(...errors: Error[]): void {
    this.#errors.push(...errors);
  }

  /** Tries a step; what it throws is kept. */
  async attempt(step: () => Promise<unknown>): Promise<void> {
    try {
      await step();
    } catch (error) {
      this.#errors.push(error instanceof Error ? error : new Error(String(error)));
    }
  }

  get any(): boolean {
    return this.#errors.length > 0;
  }

  /** @throws AggregateError if there is any */
  throwIfAny(message: string): void {
    if (this.any)
      throw new AggregateError(this.#errors, `${message}: ${this.#errors.map(({ message }) => message).join('; ')}`);
  }
}
