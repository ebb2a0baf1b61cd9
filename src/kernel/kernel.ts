import type { ChildProcess } from 'node:child_process';
import type { Socket as DatagramSocket } from 'node:dgram';
import type { Server, Socket } from 'node:net';
import type { KernelError } from '../errors.js';
import type { KernelWatch, WatchOptions } from './event.js';
import type { NamespaceRef } from './namespace.js';
import type { NamespaceWatch, NamespaceWatchOptions } from './namespace-watch.js';
import type { Operation } from './operation.js';
import type { Reader } from './query.js';
import type { Snapshot } from './snapshot.js';
import type { DialOptions, Endpoint, ListenOptions } from './sockets.js';
import type { SpawnInOptions } from './spawn.js';
import type { TeardownOptions, TransactionOptions } from './transaction-options.js';

/** Result of a program that has ended. */
export interface RunResult {
  /** Exit status; 128 plus the signal number if a signal ended it. */
  exitCode: number;
  /** First 16 KiB of its standard error. */
  stderr: string;
}

/**
 * The interface to the kernel. Layers above it access the kernel in no other way. `await using` closes it at the end of a
 * scope.
 */
export interface Kernel extends Reader, AsyncDisposable {
  /**
   * Executes operations in order, all or (with `rollback`) none.
   * @throws KernelError if an operation fails, ValidationError before anything is sent
   */
  transaction(operations: readonly Operation[], options?: TransactionOptions): Promise<void>;
  /**
   * Compares operations with the state of the kernel and executes those that are missing, in one transaction. It is
   * idempotent. Deletions are ignored. Existing links are changed; filters, and nftables tables that the operations describe
   * completely, are replaced. Another object in the place of a wanted one is an error unless `mode` is `replace`.
   * @returns the operations that were executed; if empty, nothing was sent
   */
  ensure(operations: readonly Operation[], options?: TransactionOptions): Promise<Operation[]>;
  /** Reads all objects of a namespace, each kind with one dump. */
  snapshot(netns?: NamespaceRef): Promise<Snapshot>;
  /**
   * Executes all operations and continues after errors. An object that does not exist counts as deleted.
   * @returns the errors
   */
  teardown(operations: readonly Operation[], options?: TeardownOptions): Promise<KernelError[]>;
  /**
   * Runs a program in a namespace and waits for its end; for a daemon, until its parent process has ended. Like
   * `ip netns exec`, but mounts nothing.
   * @param options.timeout in milliseconds; then the program is killed and the error is ETIMEDOUT
   */
  run(file: string, args: readonly string[], options: { netns?: NamespaceRef; timeout?: number }): Promise<RunResult>;
  /** Sends one UDP datagram from a namespace. */
  sendDatagram(datagram: Datagram): Promise<void>;
  /**
   * Sends one ICMP echo request from a namespace. Like `ping -c 1`.
   * @param options.timeout in milliseconds
   * @returns the round-trip time in milliseconds, or undefined without a reply
   */
  ping(destination: string, options: { netns?: NamespaceRef; timeout?: number }): Promise<number | undefined>;
  /**
   * Starts a program in a namespace. Options and result are those of `child_process.spawn`, with the option `netns`. Like
   * `ip netns exec`, but mounts nothing.
   * @throws ValidationError if the namespace does not exist, NotFoundError if the program does not exist
   */
  spawn(command: string, args?: readonly string[], options?: SpawnInOptions): ChildProcess;
  /** Opens a TCP connection from a namespace. @throws KernelError */
  dial(options: DialOptions): Promise<Socket>;
  /** Starts a TCP server that listens in a namespace. @throws KernelError */
  listen(options: ListenOptions): Promise<Server>;
  /** Opens a UDP socket that is bound in a namespace; with port 0 the kernel chooses one. @throws KernelError */
  bind(options: Endpoint): Promise<DatagramSocket>;
  /**
   * Watches the objects of a namespace. Like `ip monitor`. It reports every event after `ready`. If the receive buffer
   * overflows, an `overflow` event and a `snapshot` follow. @throws ValidationError
   */
  watch(netns?: NamespaceRef, options?: WatchOptions): KernelWatch;
  /** Watches which namespaces are pinned under /run/netns. Like `ip netns monitor`. It starts with the first `next()`. */
  watchNamespaces(options?: NamespaceWatchOptions): NamespaceWatch;
  /** Ends all watches, waits for pending calls, and closes the sockets of the namespace `home`. It is idempotent. */
  close(): Promise<void>;
}

/** A UDP datagram with its endpoints. */
export interface Datagram {
  /** Namespace of the sender; that of this process by default. */
  netns?: NamespaceRef;
  /** Source address and port; chosen by the kernel by default. */
  sourceAddress?: string;
  sourcePort?: number;
  /** Interface to bind to (SO_BINDTODEVICE). */
  device?: string;
  /** Destination address. Names are not resolved. */
  destination: string;
  /** Destination port, 1 to 65535. */
  port: number;
  /** At most 65507 bytes. */
  payload: Uint8Array;
}
