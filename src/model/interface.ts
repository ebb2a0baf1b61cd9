import type { Json } from '../store/store.js';
import type { Context } from './context.js';
import { defloat, float } from './floating.js';
import { detach } from './interface-lifecycle.js';
import { parseAddressOption, parseMetadata } from './options.js';
import { type InterfaceRecord, interfaceInfo } from './records.js';
import { changeInterface, readInterface } from './registry.js';
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
    return interfaceInfo(this.#record);
  }

  async refresh(): Promise<InterfaceInfo> {
    this.#record = await readInterface(this.#context, this.uuid);
    return this.info;
  }

  async float(options?: { address?: string }): Promise<string> {
    const address = await float(this.#context, this.#record, parseAddressOption(options));
    await this.refresh();
    return address;
  }

  async defloat(): Promise<void> {
    await defloat(this.#context, this.#record);
    await this.refresh();
  }

  async detach(): Promise<void> {
    await detach(this.#context, this.#record);
  }

  async setMetadata(metadata: Record<string, Json>): Promise<void> {
    const checked = parseMetadata(metadata);
    this.#record = await changeInterface(this.#context, this.uuid, { metadata: checked });
  }
}
