import type { Kernel } from '../../../kernel/index.js';
import { match, nftKey, nftTable, type Operation, statement } from '../../../kernel/index.js';
import { bringUp } from '../../../plan/link.js';

/*
 * A pool in the memory of one process, as E2B's orchestrator keeps it: namespaces with a veth pair, a tap, address
 * translation and a firewall. Nothing is recorded, checked or shared: the slots of a process that ends are lost. Only netlink
 * messages, without iptables commands.
 */

/** First interface index, between those of the kernel layer and those of vethwork. */
const FIRST_INDEX = 0x38000000;
/** Slots that were used, at most. More are removed. */
const MOST_USED = 100;
const FIREWALL = { keyType: 'ipv4_addr' } as const;
/** A destination that the firewall of a user refuses. */
const REFUSED = '10.11.12.13';

interface MemorySlot {
  netns: string;
  index: number;
}

export class MemoryPool {
  readonly #kernel: Kernel;
  readonly #fresh: MemorySlot[] = [];
  readonly #used: MemorySlot[] = [];
  readonly #creating = new Set<Promise<void>>();
  readonly #size: number;
  #count = 0;
  #isOpen = true;

  /** @param size number of new slots to keep */
  constructor(kernel: Kernel, size: number) {
    this.#kernel = kernel;
    this.#size = size;
  }

  /** Resolves when the pool is full. */
  async fill(): Promise<void> {
    while (this.#fresh.length < this.#size) await this.#create();
  }

  /** Takes a slot, a used one first, and sets its firewall. Without a slot, waits for one. */
  async get(): Promise<MemorySlot> {
    const slot = this.#used.shift() ?? this.#fresh.shift() ?? (await this.#next());
    this.#refill();
    await this.#kernel.transaction([this.#setFirewall(slot, true)]);
    return slot;
  }

  /** Resets the firewall of a slot and keeps it, or removes it. */
  async put(slot: MemorySlot): Promise<void> {
    await this.#kernel.transaction([this.#setFirewall(slot, false)]);
    if (this.#used.length < MOST_USED) this.#used.push(slot);
    else await this.remove(slot);
  }

  /** Removes a slot that is not used again. */
  async remove({ netns, index }: MemorySlot): Promise<void> {
    const errors = await this.#kernel.teardown([
      { op: 'link.delete', link: { index } },
      { op: 'namespace.delete', name: netns },
    ]);
    if (errors.length > 0) throw new AggregateError(errors, netns);
  }

  async close(): Promise<void> {
    this.#isOpen = false;
    await Promise.all(this.#creating);
    for (const slot of [...this.#fresh.splice(0), ...this.#used.splice(0)]) await this.remove(slot);
  }

  async #next(): Promise<MemorySlot> {
    for (;;) {
      const slot = this.#fresh.shift();
      if (slot !== undefined) return slot;
      this.#refill();
      await Promise.race(this.#creating);
    }
  }

  /** One slot is created at a time. */
  #refill(): void {
    if (!this.#isOpen || this.#creating.size > 0 || this.#fresh.length >= this.#size) return;
    const work = this.#create().finally(() => {
      this.#creating.delete(work);
      this.#refill();
    });
    this.#creating.add(work);
  }

  async #create(): Promise<void> {
    const number = this.#count++;
    const [index, inner, tap] = [0, 1, 2].map((offset) => FIRST_INDEX + 3 * number + offset) as [
      number,
      number,
      number,
    ];
    const netns = `memory-${number}`;
    const pair = `10.12.${(number >> 7) & 255}.${(number & 127) * 2}`;
    const peer = pair.replace(/\d+$/, (last) => String(Number(last) + 1));
    const own = `10.11.${(number >> 8) & 255}.${number & 255}`;
    await this.#kernel.transaction([
      { op: 'namespace.add', name: netns },
      {
        op: 'link.add',
        link: { kind: 'veth', name: `memory${number}`, index, data: { peer: { name: 'eth0', index: inner, netns } } },
      },
      { op: 'address.add', netns, address: { index: inner, address: `${peer}/31` } },
      ...bringUp(netns, inner, {}),
      { op: 'address.add', address: { index, address: `${pair}/31` } },
      ...bringUp(undefined, index, {}),
      { op: 'tap.add', netns, tap: { name: 'tap0', index: tap } },
      { op: 'address.add', netns, address: { index: tap, address: '169.254.0.22/30' } },
      ...bringUp(netns, tap, {}),
      { op: 'link.set', netns, link: { index: 1 }, changes: { up: true } },
      { op: 'route.add', netns, route: { destination: 'default', gateway: pair, index: inner } },
      this.#translation(netns, own),
      { op: 'route.add', route: { destination: `${own}/32`, gateway: peer, index } },
    ]);
    this.#fresh.push({ netns, index });
  }

  #translation(netns: string, own: string): Operation {
    const table = nftTable('ip', 'pool');
    return {
      op: 'nftables.batch',
      netns,
      commands: [
        table.add(),
        table.set('refused', FIREWALL),
        ...table.chain(
          'dstnat',
          { type: 'nat', hook: 'prerouting', priority: -100 },
          { 'to the guest': [match.destinationAddress(own), statement.translateDestination('169.254.0.21')] },
        ),
        ...table.chain(
          'srcnat',
          { type: 'nat', hook: 'postrouting', priority: 100 },
          { 'from the guest': [match.sourceAddress('169.254.0.21'), statement.translateSource(own)] },
        ),
        ...table.chain(
          'forward',
          { type: 'filter', hook: 'forward', priority: 0, policy: 'accept' },
          { firewall: [nftKey.isIn('refused', nftKey.source), statement.drop()] },
        ),
      ],
    };
  }

  #setFirewall({ netns }: MemorySlot, isSet: boolean): Operation {
    const table = nftTable('ip', 'pool');
    const elements = [{ key: REFUSED }];
    const command = isSet
      ? table.addElements('refused', FIREWALL, elements)
      : table.deleteElements('refused', FIREWALL, elements);
    return { op: 'nftables.batch', netns, commands: [command] };
  }
}
