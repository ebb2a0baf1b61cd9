import { setTimeout as delay } from 'node:timers/promises';
import type { Kernel } from '../kernel/index.js';
import type { NamespaceRef } from '../kernel/namespace.js';
import { encodeFrame, type FlowFrame, type FrameKind, MOST_FLOWS } from './flow-frame.js';
import { type Flow, flowKey, flowOf } from './flows.js';

/*
 * A network node streams the flows of its networks to its standby. The kernel reports begins and ends as they happen, but
 * no change of a timeout, and nothing of connections that are older than the watch. Therefore all flows are sent again from
 * time to time.
 */

export interface StreamOptions {
  /** Milliseconds between two complete lists. */
  refresh: number;
  /** Milliseconds during which changes are collected into one frame. */
  collect: number;
  /** Ends the stream. */
  signal: AbortSignal;
}

/**
 * Yields the frames of a network, which begin with all of its flows. A consumer that does not keep up causes no growth: the
 * kernel drops events then, and all flows follow.
 * @param netns namespace of the network
 */
export async function* streamFlows(
  kernel: Kernel,
  netns: NamespaceRef,
  network: string,
  { refresh, collect, signal }: StreamOptions,
): AsyncGenerator<Buffer, void> {
  while (!signal.aborted) {
    const turn = AbortSignal.any([signal, AbortSignal.timeout(refresh)]);
    await using watch = kernel.watch(netns, { topics: ['connection'], snapshot: true });
    let next = watch.next();
    const changes = new Changes();
    // One timer for many events.
    let due: Promise<'due'> | undefined;
    const end = new Promise<'end'>((resolve) => turn.addEventListener('abort', () => resolve('end'), { once: true }));
    for (;;) {
      const ready = await Promise.race([next, ...(due === undefined ? [] : [due]), end]);
      if (ready === 'end') break;
      if (ready === 'due') {
        due = undefined;
        yield* changes.frames(network);
        continue;
      }
      if (ready.done) return;
      next = watch.next();
      const event = ready.value;
      if (event.event === 'snapshot') {
        changes.clear();
        const flows = (event.snapshot.connections ?? []).flatMap((connection) => flowOf(connection) ?? []);
        yield* listFrames(network, flows);
      } else if ('connection' in event) {
        changes.add(
          event.connection.original,
          event.event === 'connection.deleted' ? undefined : flowOf(event.connection),
        );
        if (changes.size >= MOST_FLOWS) yield* changes.frames(network);
        due ??= delay(collect, 'due' as const);
      }
    }
    yield* changes.frames(network);
  }
}

/** Frames with all flows of a network. */
export function* listFrames(network: string, flows: readonly Flow[]): Generator<Buffer> {
  yield encodeFrame({ kind: 'begin', network, flows: [] });
  for (let from = 0; from < flows.length; from += MOST_FLOWS) {
    yield encodeFrame({ kind: 'put', network, flows: flows.slice(from, from + MOST_FLOWS) });
  }
  yield encodeFrame({ kind: 'end', network, flows: [] });
}

/** The last change of each flow. */
class Changes {
  readonly #changes = new Map<string, { kind: FrameKind; flow: Flow }>();

  get size(): number {
    return this.#changes.size;
  }

  clear(): void {
    this.#changes.clear();
  }

  /** @param flow undefined if it has ended */
  add(original: Flow['original'], flow: Flow | undefined): void {
    const ended = { original, reply: original, timeout: 0, replied: false, assured: false };
    const change =
      flow === undefined ? { kind: 'delete' as const, flow: withoutTcp(ended) } : { kind: 'put' as const, flow };
    this.#changes.set(flowKey(change.flow), change);
  }

  *frames(network: string): Generator<Buffer> {
    for (const kind of ['delete', 'put'] as const) {
      const flows = [...this.#changes.values()].filter((change) => change.kind === kind).map(({ flow }) => flow);
      if (flows.length > 0) yield encodeFrame({ kind, network, flows });
    }
    this.clear();
  }
}

/** A record of TCP has a state. */
const withoutTcp = (flow: Flow): Flow =>
  flow.original.protocol === 'tcp' ? { ...flow, tcp: { state: 'close' } } : flow;

/** Flows of networks that a standby may have to continue. It holds them in memory until then. */
export class FlowTable {
  readonly #networks = new Map<string, Map<string, Flow>>();
  /** Complete lists that are being received. */
  readonly #lists = new Map<string, Map<string, Flow>>();

  /** @param most flows of a network; further ones are ignored, so that a sender cannot exhaust the memory */
  constructor(private readonly most = 262_144) {}

  apply({ kind, network, flows }: FlowFrame): void {
    const list = this.#lists.get(network);
    if (kind === 'begin') {
      this.#lists.set(network, new Map());
    } else if (kind === 'end') {
      if (list !== undefined) this.#networks.set(network, list);
      this.#lists.delete(network);
    } else {
      const table = this.#networks.get(network) ?? new Map<string, Flow>();
      this.#networks.set(network, table);
      for (const target of list === undefined ? [table] : [table, list]) this.#change(target, kind, flows);
    }
  }

  #change(target: Map<string, Flow>, kind: 'put' | 'delete', flows: readonly Flow[]): void {
    for (const flow of flows) {
      const key = flowKey(flow);
      if (kind === 'delete') target.delete(key);
      else if (target.size < this.most || target.has(key)) target.set(key, flow);
    }
  }

  /** The flows of a network. */
  flows(network: string): Flow[] {
    return [...(this.#networks.get(network)?.values() ?? [])];
  }

  /** Forgets a network, which another node serves or nobody any more. */
  forget(network: string): void {
    this.#networks.delete(network);
    this.#lists.delete(network);
  }
}
