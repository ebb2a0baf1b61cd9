import type { HostEvent, RepairResult } from '../api/types.js';
import { VethworkError } from '../errors.js';
import type { Events } from '../host/events.js';
import { describeOperation } from '../kernel/describe.js';
import type { Actual } from '../kernel/ensure/actual.js';
import type { Operation } from '../kernel/operation.js';
import { foreignObjects } from '../plan/foreign.js';
import { LOOPBACK_INDEX } from '../plan/namespace.js';

/** A repair that is needed. */
export interface Repair {
  action: RepairResult['action'];
  /** Text for people. */
  description: string;
  /** UUID of the interface, if the repair is about one. */
  interface?: string;
  /** Name of its event. Default `repair`. */
  event?: HostEvent['event'];
  run: () => Promise<unknown>;
}

/** Options of repairs. */
export interface RepairRequest {
  /** Repairs are reported and not run. */
  dryRun: boolean;
  /** Cause of the events of the repairs. */
  cause: HostEvent['cause'];
}

/** Runs repairs one after the other and records an event for each. With `dryRun` it only reports them. */
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

  /** Runs repairs. An error of one does not prevent the others. @param network UUID; absent for the host itself */
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

/** Returns a text for operations. Link indexes are replaced by the names that the plan gives to these links. */
export function describeOperations(operations: readonly Operation[], plan: readonly Operation[]): string {
  const links = [{ index: LOOPBACK_INDEX, name: 'lo' }, ...plan.flatMap(linksOf)];
  const names = new Map(links.map(({ index, name }) => [String(index), name ?? '']));
  const text = operations.map(describeOperation).join(', ');
  return text.replace(/\blink (\d+)/g, (link, index) => names.get(index) ?? link);
}

/** Returns a text that names the foreign objects in the tables that operations repair; empty if there are none. */
export function keptText(operations: readonly Operation[], actual: Actual): string {
  const kept = operations.flatMap((operation) => {
    if (operation.op !== 'nftables.batch') return [];
    const tables = new Set(
      operation.commands.flatMap((command) =>
        command.command === 'chain.flush' ? [`${command.family} ${command.table}`] : [],
      ),
    );
    const there = actual.get(operation.netns)?.nft ?? [];
    return foreignObjects(there.filter(({ family, table }) => tables.has(`${family} ${table}`)));
  });
  return kept.length === 0 ? '' : ` (${kept.join(', ')} is not of vethwork and stays)`;
}

function linksOf(operation: Operation): { index?: number; name?: string }[] {
  if (operation.op === 'tap.add') return [operation.tap];
  if (operation.op !== 'link.add') return [];
  return operation.link.kind === 'veth' ? [operation.link, operation.link.data.peer] : [operation.link];
}
