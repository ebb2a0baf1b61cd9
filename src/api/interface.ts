import { asOf, type Context } from '../host/context.js';
import type { Subject } from '../host/events.js';
import { interfaceCounters } from '../operations/counters.js';
import { defloat } from '../operations/defloat.js';
import { detach } from '../operations/detach.js';
import { float } from '../operations/float.js';
import { prepareMigration } from '../operations/migrate.js';
import { changeInterface, readInterface } from '../records/queries.js';
import { type InterfaceRecord, interfaceInfo } from '../records/records.js';
import type { Json } from '../store/store.js';
import { rejectOnAbort } from '../util/abort.js';
import { MigrationHandle } from './migration.js';
import { parseAddressOptions, parseMetadata, parseMigrateOptions, parseSignal } from './options.js';
import type { Interface, InterfaceCounters, InterfaceInfo, MigrateOptions, Migration, RemoveOptions } from './types.js';

/** Implementation of `Interface`. */
export class InterfaceHandle implements Interface {
  readonly #context: Context;
  #record: InterfaceRecord;

  constructor(context: Context, record: InterfaceRecord) {
    this.#context = context;
    this.#record = record;
  }

  get uuid(): string {
    return this.#record.uuid;
  }

  get info(): InterfaceInfo {
    return { ...interfaceInfo(this.#record), ...asOf(this.#context) };
  }

  async refresh(): Promise<InterfaceInfo> {
    this.#record = await readInterface(this.#context, this.uuid);
    return this.info;
  }

  async counters(): Promise<InterfaceCounters> {
    await this.refresh();
    return interfaceCounters(this.#context, this.#record);
  }

  async float(options?: { address?: string; signal?: AbortSignal }): Promise<string> {
    const { address, signal } = parseAddressOptions(options);
    const floating = await this.#context.events.note(
      { ...this.#subject('interface.float'), ...(address !== undefined && { address }) },
      () => float(this.#context, this.#record, { address, signal }),
      (address) => ({ address }),
    );
    await this.refresh();
    return floating;
  }

  async defloat(options?: RemoveOptions): Promise<void> {
    const signal = parseSignal(options);
    const remove = () => defloat(this.#context, this.#record, signal);
    await rejectOnAbort(this.#context.events.note(this.#subject('interface.defloat'), remove), signal);
    await this.refresh();
  }

  async detach(options?: RemoveOptions): Promise<void> {
    const signal = parseSignal(options);
    const remove = () => detach(this.#context, this.#record, signal);
    await rejectOnAbort(this.#context.events.note(this.#subject('interface.detach'), remove), signal);
  }

  async migrate(options: MigrateOptions): Promise<Migration> {
    const request = parseMigrateOptions(options);
    const subject = { ...this.#subject('interface.migrate'), detail: request.to };
    const prepared = await this.#context.events.note(subject, () =>
      prepareMigration(this.#context, this.#record, request),
    );
    this.#record = prepared;
    return this.#migrationOf(prepared) as Migration;
  }

  async migration(): Promise<Migration | undefined> {
    await this.refresh();
    return this.#migrationOf(this.#record);
  }

  #migrationOf(record: InterfaceRecord): Migration | undefined {
    const context = this.#context;
    if (record.migration === undefined) return undefined;
    return new MigrationHandle(context, record, record.migration, (moved) => new InterfaceHandle(context, moved));
  }

  async setMetadata(metadata: Record<string, Json>): Promise<void> {
    const checked = parseMetadata(metadata);
    this.#record = await this.#context.events.note(this.#subject('interface.metadata'), () =>
      changeInterface(this.#context, this.uuid, { metadata: checked }),
    );
  }

  #subject(event: Subject['event']): Subject {
    const { uuid, network } = this.#record;
    return { event, cause: 'request', network, interface: uuid };
  }
}
