import { setTimeout as sleep } from 'node:timers/promises';
import type { EventsRequest } from '../api/options.js';
import type { HostEvent } from '../api/types.js';
import type { SupervisorEvent } from '../dnsmasq/index.js';
import { ValidationError, VethworkError } from '../errors.js';
import type { Journal, Position } from '../store/journal.js';
import { emitWarning } from '../util/callback.js';
import { idOf, positionOf } from './event-id.js';

/** Events of this time share a write, in milliseconds. */
const GATHER_MS = 10;

/** Subject and cause of an event. */
export type Subject = Pick<HostEvent, 'event' | 'cause' | 'network' | 'interface' | 'address' | 'detail'>;

/** An event as written to the journal. Its id follows from its position. */
type Entry = { readonly [Key in keyof Omit<HostEvent, 'id'>]: HostEvent[Key] };

/** Records and reads the events of a host. All processes of the host share the journal. */
export class Events {
  readonly #journal: Journal<Entry>;
  #warned = false;
  /** The present wait of `recordSoon`, and its events that are not written yet. */
  #gathering: Promise<void> | undefined;
  readonly #pending = new Set<Promise<void>>();

  constructor(journal: Journal<Entry>) {
    this.#journal = journal;
  }

  /**
   * Runs work and records its success or failure as an event. A ValidationError is not recorded: nothing was changed.
   * @param completed returns the properties of the subject that are known only after the work
   */
  async note<Result>(
    subject: Subject,
    work: () => Promise<Result>,
    completed: (result: Result) => Partial<Subject> = () => ({}),
  ): Promise<Result> {
    const began = performance.now();
    try {
      const result = await work();
      await this.record(subject, { began, completed: completed(result) });
      return result;
    } catch (error) {
      if (!(error instanceof ValidationError)) await this.record(subject, { began, error });
      throw error;
    }
  }

  /**
   * Records an event. An error of the journal does not fail the call: the first one is emitted as a process warning.
   */
  async record(
    subject: Subject,
    { began, completed, error }: { began: number; completed?: Partial<Subject>; error?: unknown },
  ): Promise<void> {
    const entry = {
      time: new Date().toISOString(),
      ...subject,
      ...completed,
      duration: Math.round((performance.now() - began) * 1000) / 1000,
      ...(error !== undefined && { error: errorInfo(error) }),
      pid: process.pid,
    };
    try {
      await this.#journal.append(entry);
    } catch (failure) {
      if (this.#warned) return;
      this.#warned = true;
      emitWarning(`events cannot be recorded: ${(failure as Error).message}`);
    }
  }

  /**
   * As `record`, but some milliseconds later, without a wait of the caller: the events of a burst share a write. `close`
   * waits for it.
   */
  recordSoon(subject: Subject, options: { began: number; completed?: Partial<Subject> }): void {
    const duration = performance.now() - options.began;
    this.#gathering ??= sleep(GATHER_MS).then(() => {
      this.#gathering = undefined;
    });
    const work = this.#gathering
      .then(() => this.record(subject, { ...options, began: performance.now() - duration }))
      .finally(() => this.#pending.delete(work));
    this.#pending.add(work);
  }

  /** Records an event of the supervision of dnsmasq. */
  readonly supervised = (event: SupervisorEvent): void => {
    const subject: Subject = { event: `dnsmasq.${event.event}`, cause: 'supervision', network: event.network };
    const error = event.event === 'failed' ? { error: event.error } : {};
    if (event.event === 'declined') subject.address = event.address;
    void this.record(subject, { began: performance.now(), ...error });
  };

  /** Reads events: by default those after the call, with `history` or `after` also earlier ones. */
  read({ follow, history, after, subject, signal }: EventsRequest): AsyncGenerator<HostEvent, undefined, undefined> {
    const from = after === undefined ? (history ? undefined : this.#journal.end()) : positionOf(after);
    return this.#select({ from, follow, signal }, subject);
  }

  async *#select(
    where: { from: Position | undefined; follow: boolean; signal: AbortSignal | undefined },
    subject: string | undefined,
  ): AsyncGenerator<HostEvent, undefined, undefined> {
    for await (const { position, entry } of this.#journal.read(where)) {
      const isMatch = subject === undefined || [entry.network, entry.interface, entry.address].includes(subject);
      if (isMatch) yield { id: idOf(position), ...entry };
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#pending);
    await this.#journal.close();
  }
}

/** Returns code and message of an error. Errors of other libraries have the code `INTERNAL`. */
function errorInfo(error: unknown): { code: string; message: string } {
  const { message } = error instanceof Error ? error : new Error(String(error));
  return { code: error instanceof VethworkError ? error.code : 'ERR_VETHWORK_INTERNAL', message };
}
