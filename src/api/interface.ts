import { asOf, type Context } from '../host/context.js';
import type { Subject } from '../host/events.js';
import { interfaceCounters } from '../operations/counters.js';
import { changeInterface, readInterface } from '../records/queries.js';
import { type InterfaceRecord, interfaceInfo } from '../records/records.js';
import type { Json } from '../store/store.js';
import type { InterfaceCounters } from './observation.js';
import { parseAddressOption, parseMetadata } from './options.js';
import type { Interface, InterfaceInfo } from './types.js';

/** @see Interface */
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

  async float(options?: { address?: string }): Promise<string> {
    const wanted = parseAddressOption(options);
    const address = await this.#context.events.note(
      { ...this.#about('interface.float'), ...(wanted !== undefined && { address: wanted }) },
      () => this.#context.actions.float(this.#record, wanted),
      (address) => ({ address }),
    );
    await this.refresh();
    return address;
  }

  async defloat(): Promise<void> {
    await this.#context.events.note(this.#about('interface.defloat'), () =>
      this.#context.actions.defloat(this.#record),
    );
    await this.refresh();
  }

  async detach(): Promise<void> {
    await this.#context.events.note(this.#about('interface.detach'), () => this.#context.actions.detach(this.#record));
  }

  async setMetadata(metadata: Record<string, Json>): Promise<void> {
    const checked = parseMetadata(metadata);
    this.#record = await this.#context.events.note(this.#about('interface.metadata'), () =>
      changeInterface(this.#context, this.uuid, { metadata: checked }),
    );
  }

  #about(event: Subject['event']): Subject {
    const { uuid, network } = this.#record;
    return { event, cause: 'request', network, interface: uuid };
  }
}
