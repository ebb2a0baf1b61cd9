import type { HostEvent } from '../api/observation.js';
import type { EventsRequest } from '../api/options.js';
import type { SupervisorEvent } from '../dnsmasq/index.js';
import { ValidationError, VethworkError } from '../errors.js';
import type { Journal, Position } from '../store/journal.js';
import { idOf, positionOf } from './event-id.js';

/** What an event is about, and what brought it about. */
export type Subject = Pick<HostEvent, 'event' | 'cause' | 'network' | 'interface' | 'address' | 'detail'>;

/** As it is written: where it is in the journal is its id. */
type Entry = { readonly [Key in keyof Omit<HostEvent, 'id'>]: HostEvent[Key] };

/** Notes what was done on a host, by whichever process, and tells it. */
export class Events {
  readonly #journal: Journal<Entry>;
  #warned = false;

  constructor(journal: Journal<Entry>) {
    this.#journal = journal;
  }

  /**
   * Does the work and notes it, whether it succeeds or not. What was refused before anything was touched is no event.
   * @param completed what is known of the subject only then
   */
  async note<Result>(
    subject: Subject,
    work: () => Promise<Result>,
    completed: (result: Result) => Partial<Subject> = () => ({}),
  ): Promise<Result> {
    const began = performance.now();
    try {
      const result = await work();
      await this.tell(subject, { began, completed: completed(result) });
      return result;
    } catch (error) {
      if (!(error instanceof ValidationError)) await this.tell(subject, { began, error });
      throw error;
    }
  }

  /** Notes what has happened. That it can't be noted must not fail what was done: it is said once. */
  async tell(
    subject: Subject,
    { began, completed, error }: { began: number; completed?: Partial<Subject>; error?: unknown },
  ): Promise<void> {
    const entry = {
      time: new Date().toISOString(),
      ...subject,
      ...completed,
      duration: Math.round((performance.now() - began) * 1000) / 1000,
      ...(error !== undefined && { error: described(error) }),
      pid: process.pid,
    };
    try {
      await this.#journal.append(entry);
    } catch (failure) {
      if (this.#warned) return;
      this.#warned = true;
      process.emitWarning(`events can't be noted: ${(failure as Error).message}`, 'VethworkWarning');
    }
  }

  /** What the watch over the dnsmasqs saw and did. */
  readonly supervised = (event: SupervisorEvent): void => {
    const subject: Subject = { event: `dnsmasq.${event.event}`, cause: 'supervision', network: event.network };
    const error = event.event === 'failed' ? { error: event.error } : {};
    if (event.event === 'declined') subject.address = event.address;
    void this.tell(subject, { began: performance.now(), ...error });
  };

  /** From the moment of the call on, unless what is kept is asked for. */
  read({ follow, history, after, subject, signal }: EventsRequest): AsyncGenerator<HostEvent, undefined, undefined> {
    const from = after === undefined ? (history ? undefined : this.#journal.end()) : positionOf(after);
    return this.#select({ from, follow, signal }, subject);
  }

  async *#select(
    where: { from: Position | undefined; follow: boolean; signal: AbortSignal | undefined },
    subject: string | undefined,
  ): AsyncGenerator<HostEvent, undefined, undefined> {
    for await (const { position, entry } of this.#journal.read(where)) {
      const isMeant = subject === undefined || [entry.network, entry.interface, entry.address].includes(subject);
      if (isMeant) yield { id: idOf(position), ...entry };
    }
  }

  close(): Promise<void> {
    return this.#journal.close();
  }
}

function described(error: unknown): { code: string; message: string } {
  const { message } = error instanceof Error ? error : new Error(String(error));
  return { code: error instanceof VethworkError ? error.code : 'ERR_VETHWORK_INTERNAL', message };
}
