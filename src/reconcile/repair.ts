import type { HostEvent, RepairResult } from '../api/observation.js';
import { VethworkError } from '../errors.js';
import type { Events } from '../host/events.js';
import { describeOperation } from '../kernel/describe.js';
import type { Operation } from '../kernel/operation.js';
import { LOOPBACK_INDEX } from '../plan/namespace.js';

/** Something that is to be repaired. */
export interface Repair {
  action: RepairResult['action'];
  /** What it is about, and what is done, for people. */
  description: string;
  /** UUID of the interface that it is about, where it is about one. */
  interface?: string;
  /** Event that it is recorded as. Default `repair`. */
  event?: HostEvent['event'];
  run: () => Promise<unknown>;
}

/** Who asks for repairs. */
export interface RepairRequest {
  /** Repairs are only reported. */
  dryRun: boolean;
  /** Cause of the events that repairs are recorded as. */
  cause: HostEvent['cause'];
}

/** Runs repairs one after the other, and records each as an event; with `dryRun` it only reports them. */
export class Repairs {
  readonly #events: Events;
  readonly #request: RepairRequest;

  constructor({ events }: { readonly events: Events }, request: RepairRequest) {
    this.#events = events;
    this.#request = request;
  }

  get dryRun(): boolean {
    return this.#request.dryRun;
  }

  /** A repair that fails does not keep the others from being tried. @param network UUID; absent for the host itself */
  async run(repairs: readonly Repair[], network?: string): Promise<RepairResult[]> {
    const results: RepairResult[] = [];
    for (const repair of repairs) results.push(await this.#run(repair, network));
    return results;
  }

  async #run(repair: Repair, network: string | undefined): Promise<RepairResult> {
    const { action, description, interface: nic, event = 'repair', run } = repair;
    const about = { ...(network !== undefined && { network }), ...(nic !== undefined && { interface: nic }) };
    const result: RepairResult = { ...about, action, description };
    if (this.dryRun) return result;
    try {
      await this.#events.note({ event, cause: this.#request.cause, ...about, detail: description }, run);
      return result;
    } catch (error) {
      const code = error instanceof VethworkError ? error.code : 'ERR_VETHWORK_INTERNAL';
      return { ...result, error: { code, message: (error as Error).message } };
    }
  }
}

/** Operations for people, with the names that a plan gives to links instead of their indexes. */
export function describeOperations(operations: readonly Operation[], plan: readonly Operation[]): string {
  const links = [{ index: LOOPBACK_INDEX, name: 'lo' }, ...plan.flatMap(linksOf)];
  const names = new Map(links.map(({ index, name }) => [String(index), name ?? '']));
  const text = operations.map(describeOperation).join(', ');
  return text.replace(/\blink (\d+)/g, (link, index) => names.get(index) ?? link);
}

function linksOf(operation: Operation): { index?: number; name?: string }[] {
  if (operation.op === 'tap.add') return [operation.tap];
  if (operation.op !== 'link.add') return [];
  return operation.link.kind === 'veth' ? [operation.link, operation.link.data.peer] : [operation.link];
}
