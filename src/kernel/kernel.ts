import type { ChildProcess } from 'node:child_process';
import type { Socket as DatagramSocket } from 'node:dgram';
import type { Server, Socket } from 'node:net';
import type { KernelError } from '../errors.js';
import type { KernelWatch, WatchOptions } from './event.js';
import type { NamespaceRef } from './namespace.js';
import type { NamespaceEvent, NamespaceWatchOptions } from './namespace-watch.js';
import type { Operation } from './operation.js';
import type { Reader } from './query.js';
import type { Snapshot } from './snapshot.js';
import type { DialOptions, Endpoint, ListenOptions } from './sockets.js';
import type { SpawnInOptions } from './spawn.js';
import type { TeardownOptions, TransactionOptions } from './transaction-options.js';

/** The result of a program run to its end. */
export interface RunResult {
  /** What the program returned; 128 and the number of the signal that ended it. */
  exitCode: number;
  /** The first 16 KiB of what it wrote there. */
  stderr: string;
}

/**
 * The kernel, as the layers above see it. Nothing above this interface touches the kernel in any other way.
 */
export interface Kernel extends Reader {
  /** Does all operations in order, or none (with `rollback`). @throws KernelError, ValidationError */
  transaction(operations: readonly Operation[], options?: TransactionOptions): Promise<void>;
  /**
   * Makes what the operations make, unless it is there: compares with the kernel first and does only what differs, in one
   * transaction. What operations forget or take away is left out. Links are changed, filters and nftables tables (where a
   * plan has all of a table) made anew; what else is in the way is an error, unless the operation replaces it.
   * @returns what was done; empty, with nothing sent, where everything was as it should be
   */
  ensure(operations: readonly Operation[], options?: TransactionOptions): Promise<Operation[]>;
  /** Everything a namespace holds, each kind read in one dump. */
  snapshot(netns?: NamespaceRef): Promise<Snapshot>;
  /** Does every operation whatever fails; what is already gone is success. Resolves to the errors met. */
  teardown(operations: readonly Operation[], options?: TeardownOptions): Promise<KernelError[]>;
  /** Starts a program inside a namespace and waits until it has ended (a daemon: until it has gone to the background). */
  run(file: string, args: readonly string[], options: { netns?: NamespaceRef; timeout?: number }): Promise<RunResult>;
  /** Sends one UDP datagram from inside a namespace. */
  sendDatagram(datagram: Datagram): Promise<void>;
  /** Sends one ICMP echo request from inside a namespace; resolves to the round-trip time in milliseconds, or undefined. */
  ping(destination: string, options: { netns?: NamespaceRef; timeout?: number }): Promise<number | undefined>;
  /**
   * Starts a program inside a namespace and returns an ordinary child process. `options` are node's own and `netns`.
   * @throws ValidationError if the namespace does not exist, NotFoundError if the program does not
   */
  spawn(command: string, args?: readonly string[], options?: SpawnInOptions): ChildProcess;
  /** Opens a TCP connection from inside a namespace, for example to ask an instance how it is. @throws KernelError */
  dial(options: DialOptions): Promise<Socket>;
  /** Starts a TCP server that listens inside a namespace. @throws KernelError */
  listen(options: ListenOptions): Promise<Server>;
  /** Opens a UDP socket that is bound inside a namespace; port 0 lets the kernel choose. @throws KernelError */
  bind(options: Endpoint): Promise<DatagramSocket>;
  /**
   * Tells what happens in a namespace, from the moment on when the watch is `ready`. Nothing is lost in silence: where
   * events are not read in time, an `overflow` says so and a `snapshot` follows. @throws ValidationError
   */
  watch(netns?: NamespaceRef, options?: WatchOptions): KernelWatch;
  /** Tells which namespaces are pinned under /run/netns and which no more, whoever does it, from the first `next` on. */
  watchNamespaces(options?: NamespaceWatchOptions): AsyncGenerator<NamespaceEvent, undefined>;
  /** Ends all watches of a namespace, waits for what is under way, then frees threads and sockets. */
  close(): Promise<void>;
}

/** A UDP datagram and where it goes. */
export interface Datagram {
  /** Namespace that it is sent from; the process's own if absent. */
  netns?: NamespaceRef;
  /** The kernel chooses where absent, as with the port. */
  sourceAddress?: string;
  sourcePort?: number;
  /** Device to bind to. */
  device?: string;
  /** An address, not a name. */
  destination: string;
  /** Of the destination, 1 to 65535. */
  port: number;
  payload: Uint8Array;
}
