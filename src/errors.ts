import { describeValue, shortened, valueForJson } from './util/describe-value.js';

/**
 * The errors vethwork throws. Every one has a stable `code`, so callers never match on message text.
 */

/** In characters. Messages quote names and values, which may come from anybody. */
const MESSAGE_LENGTH = 1000;
const FIELD_LENGTH = 200;
const EXPECTED_LENGTH = 600;
const NAME_LENGTH = 300;

/** What every error of this package has in common. */
export abstract class VethworkError extends Error {
  /** Stable, machine-readable: an errno name such as `EEXIST`, or `VALIDATION`, `NOT_FOUND`, `CONFLICT`, … */
  abstract readonly code: string;

  constructor(message: string, options?: ErrorOptions) {
    super(shortened(message, MESSAGE_LENGTH), options);
    this.name = new.target.name;
  }

  /** What `--json` output and structured logs show. */
  toJSON(): Record<string, unknown> {
    return { ...(this as Record<string, unknown>), name: this.name, message: this.message };
  }
}

/** An argument is wrong. Thrown before anything is touched. */
export class ValidationError extends VethworkError {
  readonly code = 'VALIDATION';
  /** Path of the argument, for example `netblock` or `operations[2].link.mtu`. */
  readonly field: string;
  /** What would have been right, as a noun phrase. */
  readonly expected: string;

  /** @param value what was passed */
  constructor(
    field: string,
    readonly value: unknown,
    expected: string,
    options?: ErrorOptions,
  ) {
    // A property may have an empty name.
    const [where, wanted] = [shortened(field || '""', FIELD_LENGTH), shortened(expected, EXPECTED_LENGTH)];
    super(`${where}: expected ${wanted}, got ${describeValue(value)}`, options);
    this.field = where;
    this.expected = wanted;
  }

  override toJSON(): Record<string, unknown> {
    return { ...super.toJSON(), value: valueForJson(this.value) };
  }
}

/** There is no such network, interface, address or host. */
export class NotFoundError extends VethworkError {
  readonly code = 'NOT_FOUND';

  constructor(
    readonly kind: string,
    readonly id: string,
  ) {
    super(`${kind} ${shortened(id, NAME_LENGTH)} does not exist`);
  }
}

/** What was asked for clashes with what is there: a name, address or VNI in use, a wrong state. */
export class ConflictError extends VethworkError {
  readonly code = 'CONFLICT';

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
  }
}

/** What was to be there is, and differs from what was asked for. */
export class DifferenceError extends ConflictError {
  constructor(
    what: string,
    readonly field: string,
    /** What is there. */
    readonly actual: unknown,
    /** What was asked for. */
    readonly wanted: unknown,
  ) {
    super(`${field} of ${what} is ${describeValue(actual)}, so it can't be ${describeValue(wanted)}`);
  }
}

/** The process that holds a lock file, as it has written in it. */
export interface LockHolder {
  /** In the process id namespace of the process itself. */
  pid: number;
  /** When it started, in clock ticks since boot, and the boot's id. */
  started: string;
  /** Name of its machine or container. */
  host: string;
  /** Its program and script. */
  command: string;
  /** When it took the lock. */
  since: string;
}

/** Another process has held a lock for longer than was waited. Nothing was changed. */
export class LockTimeoutError extends VethworkError {
  readonly code = 'LOCK_TIMEOUT';

  constructor(
    /** The lock file. */
    readonly path: string,
    /** Undefined if the file does not say. */
    readonly holder: LockHolder | undefined,
    /** For how long it was waited. */
    readonly seconds: number,
  ) {
    const who =
      holder === undefined
        ? 'a process that is not named in it'
        : `process ${holder.pid} (${holder.command}) on ${holder.host}, since ${holder.since}`;
    super(`waited ${seconds} s for the lock ${path}, held by ${who}`);
  }
}

/** No address is left in a netblock or in the floating network. */
export class CongestedNetworkError extends VethworkError {
  readonly code = 'CONGESTED';

  constructor(
    readonly network: string,
    readonly netblock: string,
  ) {
    super(`no free address in ${netblock} of ${network}`);
  }
}

/** A limit of the kernel or of this package would be exceeded, for example 1,023 ports of a bridge. */
export class CapacityError extends VethworkError {
  readonly code = 'CAPACITY';

  constructor(
    readonly resource: string,
    readonly limit: number,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** The process lacks a capability. */
export class PrivilegeError extends VethworkError {
  readonly code = 'PRIVILEGE';

  constructor(
    readonly capability: string,
    readonly operation: string,
  ) {
    super(`${operation} needs the capability ${capability}`);
  }
}

/** A program this package starts is not installed. */
export class MissingProgramError extends VethworkError {
  readonly code = 'MISSING_PROGRAM';

  constructor(
    readonly program: string,
    readonly debianPackage: string,
  ) {
    super(`${program} is not installed; on Debian it is in the package ${debianPackage}`);
  }
}

/** Compiled code, of this package or of one that it needs, does not load on this system. */
export class PlatformError extends VethworkError {
  readonly code = 'PLATFORM';

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
  }
}

/** What vethwork remembers can't be read or written: a damaged or newer state folder, a full disk, a closed store. */
export class StoreError extends VethworkError {
  readonly code = 'STORE';

  constructor(
    /** The state folder, or the address of the cluster's store. */
    readonly location: string,
    problem: string,
    options?: ErrorOptions,
  ) {
    super(`${location}: ${problem}`, options);
  }
}

/** Another node of the cluster could not do its part. */
export class NodeError extends VethworkError {
  /** That of the node's own error. */
  readonly code: string;
  /** Those of a `LinkIndexTakenError` of the node. */
  readonly takenIndexes: readonly number[] | undefined;

  constructor(
    readonly node: string,
    problem: { code: string; message: string; takenIndexes?: readonly number[] },
  ) {
    super(`node ${node}: ${problem.message}`);
    this.code = problem.code;
    this.takenIndexes = problem.takenIndexes;
  }
}

/** Nodes of the cluster did not do their part in time. */
export class NodeTimeoutError extends VethworkError {
  readonly code = 'NODE_TIMEOUT';

  constructor(
    /** Those that were waited for to the end. */
    readonly nodes: readonly string[],
    /** Those of them that are not heard of: the others may wait for them as well. */
    readonly gone: readonly string[],
    seconds: number,
  ) {
    const names = (all: readonly string[]) => all.map((node) => `node ${node}`).join(', ');
    super(`waited ${seconds} s for ${names(nodes)}${gone.length > 0 ? `; not heard of: ${names(gone)}` : ''}`);
  }
}

export interface KernelErrorDetails {
  /** The errno's name, for example `EEXIST`. */
  code: string;
  /** The errno, positive. */
  errno: number;
  /** What was being done, for example `create veth veth-e2300f-o`. */
  operation: string;
  /** The namespace in which it was done; `undefined` for the process's own. */
  namespace?: string | undefined;
  /** The kernel's own sentence (extended acknowledgement), where it gave one. */
  extack?: string | undefined;
  /** Offset in the message of the attribute that the kernel rejected. */
  offset?: number | undefined;
  /** Position of the failed operation in its transaction. */
  index?: number | undefined;
  /** What could not be undone afterwards; empty when the roll-back was complete. */
  rollbackErrors?: readonly KernelError[] | undefined;
}

/** The kernel refused an operation. */
export class KernelError extends VethworkError {
  readonly code: string;
  readonly errno: number;
  readonly operation: string;
  readonly namespace: string | undefined;
  readonly extack: string | undefined;
  readonly offset: number | undefined;
  readonly index: number | undefined;
  readonly rollbackErrors: readonly KernelError[];

  constructor(details: KernelErrorDetails, options?: ErrorOptions) {
    const where = details.namespace === undefined ? '' : ` in namespace ${details.namespace}`;
    const why = details.extack === undefined ? '' : `: ${details.extack}`;
    const operation = shortened(details.operation, NAME_LENGTH);
    super(`${operation}${shortened(where, NAME_LENGTH)}: ${details.code}${why}`, options);
    this.code = details.code;
    this.errno = details.errno;
    this.operation = operation;
    this.namespace = details.namespace;
    this.extack = details.extack;
    this.offset = details.offset;
    this.index = details.index;
    this.rollbackErrors = details.rollbackErrors ?? [];
  }
}

/** An interface index that was chosen is that of another link. Nothing was made; another index may be free. */
export class LinkIndexTakenError extends KernelError {
  constructor(
    details: KernelErrorDetails,
    /** Those of the operation's indexes that are taken. */
    readonly takenIndexes: readonly number[],
    options?: ErrorOptions,
  ) {
    super({ ...details, extack: `the interface index ${takenIndexes.join(' and ')} is in use` }, options);
  }
}
