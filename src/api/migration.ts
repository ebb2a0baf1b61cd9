import type { Context } from '../host/context.js';
import type { Subject } from '../host/events.js';
import { abortMigration } from '../operations/unbind.js';
import { type Binding, type InterfaceRecord, migrationInfo } from '../records/records.js';
import { rejectOnAbort } from '../util/abort.js';
import { parseSignal, parseSwitchOptions } from './options.js';
import type { Interface, Migration, MigrationInfo, RemoveOptions } from './types.js';

/** Implementation of `Migration`. */
export class MigrationHandle implements Migration {
  readonly #context: Context;
  readonly #record: InterfaceRecord;
  readonly #binding: Binding;
  readonly #handleOf: (record: InterfaceRecord) => Interface;
  #isSwitched = false;

  /** @param handleOf returns the handle of an interface */
  constructor(
    context: Context,
    record: InterfaceRecord,
    binding: Binding,
    handleOf: (record: InterfaceRecord) => Interface,
  ) {
    this.#context = context;
    this.#record = record;
    this.#binding = binding;
    this.#handleOf = handleOf;
  }

  get info(): MigrationInfo {
    return migrationInfo(this.#record, this.#binding);
  }

  async switch(options?: { waitForSource?: boolean; signal?: AbortSignal }): Promise<Interface> {
    const request = { ...parseSwitchOptions(options), id: this.#binding.id };
    const { coordinator, events } = this.#context;
    const moved = await events.note({ ...this.#subject('interface.switch'), detail: this.info.to }, () =>
      coordinator.switchInterface(this.#record.uuid, request),
    );
    this.#isSwitched = true;
    return this.#handleOf(moved);
  }

  async abort(options?: RemoveOptions): Promise<void> {
    const signal = parseSignal(options);
    const { id, to } = this.info;
    const abort = () => abortMigration(this.#context, this.#record, { id, to, signal, ifSwitched: 'throw' });
    const subject = { ...this.#subject('interface.abort'), detail: to };
    await rejectOnAbort(this.#context.events.note(subject, abort), signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isSwitched) return;
    const { id, to } = this.info;
    await abortMigration(this.#context, this.#record, { id, to, ifSwitched: 'keep' });
  }

  #subject(event: Subject['event']): Subject {
    const { uuid, network } = this.#record;
    return { event, cause: 'request', network, interface: uuid };
  }
}
