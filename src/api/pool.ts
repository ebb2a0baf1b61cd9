import type { Context } from '../host/context.js';
import type { Subject } from '../host/events.js';
import { addUsage } from '../host/pool-demand.js';
import { countFree } from '../operations/fill.js';
import { deletePool, resizePool } from '../operations/prepare.js';
import { type PoolRecord, type PoolUsage, poolKeys, readPool } from '../records/pools.js';
import { readMembers } from '../records/queries.js';
import { rejectOnAbort } from '../util/abort.js';
import { parseLimits, parseSignal } from './options.js';
import type { Pool, PoolInfo, PoolStatus } from './types.js';

/** Implementation of `Pool`. */
export class PoolHandle implements Pool {
  readonly #context: Context;
  #record: PoolRecord;

  constructor(context: Context, record: PoolRecord) {
    this.#context = context;
    this.#record = record;
  }

  get uuid(): string {
    return this.#record.uuid;
  }

  get info(): PoolInfo {
    return poolInfo(this.#record);
  }

  async refresh(): Promise<PoolInfo> {
    this.#record = await readPool(this.#context, this.#record.network, this.uuid);
    return this.info;
  }

  async status(): Promise<PoolStatus> {
    await this.refresh();
    return poolStatus(this.#context, this.#record);
  }

  async resize(limits: { min?: number; max?: number; signal?: AbortSignal }): Promise<PoolInfo> {
    await this.refresh();
    const checked = parseLimits(limits, this.#record);
    this.#record = await this.#context.events.note(
      { ...this.#subject('pool.resize'), detail: `${this.#record.name}: ${checked.min} to ${checked.max} free slots` },
      () => resizePool(this.#context, this.#record, checked),
    );
    return this.info;
  }

  async delete(options?: { signal?: AbortSignal }): Promise<void> {
    const signal = parseSignal(options);
    const remove = () => deletePool(this.#context, this.#record);
    const subject = { ...this.#subject('pool.delete'), detail: this.#record.name };
    await rejectOnAbort(this.#context.events.note(subject, remove), signal);
  }

  #subject(event: Subject['event']): Subject {
    return { event, cause: 'request', network: this.#record.network };
  }
}

/** Returns the public information about a pool. */
export function poolInfo(record: PoolRecord): PoolInfo {
  const { claim: _, state, ...info } = record;
  return { ...info, state: state === 'deleting' ? 'deleting' : 'created' };
}

/** Counts the slots and claims of a pool. */
export async function poolStatus(context: Context, pool: PoolRecord): Promise<PoolStatus> {
  const { store, demand } = context;
  const { uuid, network } = pool;
  const [free, members, usage] = await Promise.all([
    countFree(context, pool),
    readMembers(context, network),
    store.get<PoolUsage>(poolKeys.usage(uuid)),
  ]);
  return {
    ...addUsage(usage?.value, demand.usage(uuid)),
    free,
    claimed: members.filter(({ slot }) => slot?.pool === uuid && !slot.isFree).length,
    target: demand.target(pool),
  };
}
