import { describeValue, shortened, valueForJson } from './util/describe-value.js';

/**
 * Errors that this package throws. Each has a stable `code`: test the code or the class, never the message.
 *
 * Codes start with `ERR_VETHWORK_`. The exceptions are `KernelError`, whose code is the name of the errno as in errors of
 * Node.js itself (`error.code === 'EEXIST'`), and `NodeError`, which has the code of the other node's error.
 */

/** Limits in characters. Messages quote names and values, which may come from untrusted sources. */
const MESSAGE_LENGTH = 1000;
const FIELD_LENGTH = 200;
const EXPECTED_LENGTH = 600;
const NAME_LENGTH = 300;

/** Base class of all errors of this package. */
export abstract class VethworkError extends Error {
  /** Stable and machine-readable, for example `ERR_VETHWORK_NOT_FOUND`; of a `KernelError` the errno name. */
  abstract readonly code: string;

  constructor(message: string, options?: ErrorOptions) {
    super(shortened(message, MESSAGE_LENGTH), options);
    this.name = new.target.name;
  }

  /** Returns what `--json` output and structured logs contain. */
  toJSON(): Record<string, unknown> {
    return { ...(this as Record<string, unknown>), name: this.name, message: this.message };
  }
}

/** An argument is invalid. It is thrown before anything is changed. */
export class ValidationError extends VethworkError {
  readonly code = 'ERR_VETHWORK_VALIDATION';
  /** Path of the argument, for example `netblock` or `operations[2].link.mtu`. */
  readonly field: string;
  /** The values that are valid, as a noun phrase. */
  readonly expected: string;

  /** @param value the invalid value */
  constructor(
    field: string,
    readonly value: unknown,
    expected: string,
    options?: ErrorOptions,
  ) {
    // Objects may have a property whose name is empty.
    const [where, wanted] = [shortened(field || '""', FIELD_LENGTH), shortened(expected, EXPECTED_LENGTH)];
    super(`${where}: expected ${wanted}, got ${describeValue(value)}`, options);
    this.field = where;
    this.expected = wanted;
  }

  override toJSON(): Record<string, unknown> {
    return { ...super.toJSON(), value: valueForJson(this.value) };
  }
}

/** A network, interface, address, host or program does not exist. */
export class NotFoundError extends VethworkError {
  readonly code = 'ERR_VETHWORK_NOT_FOUND';

  constructor(
    readonly kind: string,
    readonly id: string,
  ) {
    super(`${kind} ${shortened(id, NAME_LENGTH)} does not exist`);
  }
}

/** The request conflicts with existing state: a name, address or VNI is in use, or an object is in the wrong state. */
export class ConflictError extends VethworkError {
  readonly code = 'ERR_VETHWORK_CONFLICT';

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
  }
}

/** An object exists already and differs from the request. */
export class DifferenceError extends ConflictError {
  constructor(
    what: string,
    readonly field: string,
    /** The value of the existing object. */
    readonly actual: unknown,
    /** The requested value. */
    readonly wanted: unknown,
  ) {
    super(`${field} of ${what} is ${describeValue(actual)}, so it can't be ${describeValue(wanted)}`);
  }
}

/** The process that holds a lock file, as recorded in that file. */
export interface LockHolder {
  /** Process id, in the PID namespace of that process. */
  pid: number;
  /** That PID namespace, for example `pid:[4026531836]`. */
  pidNamespace?: string;
  /** Start time in clock ticks since boot, and the boot id. */
  started: string;
  /** Host name of the machine or container. */
  host: string;
  /** Program and script. */
  command: string;
  /** Time at which it took the lock, ISO 8601. For the store of a state folder: since which no other process has had it. */
  since: string;
}

/** Another process holds a lock, and the time-out has expired. Nothing was changed. */
export class LockTimeoutError extends VethworkError {
  readonly code = 'ERR_VETHWORK_LOCK_TIMEOUT';

  constructor(
    /** Path of the lock file. */
    readonly path: string,
    /** Undefined if the file does not name one. */
    readonly holder: LockHolder | undefined,
    /** The time-out. */
    readonly milliseconds: number,
  ) {
    const who =
      holder === undefined
        ? 'a process that is not named in it'
        : `process ${holder.pid} (${holder.command}) on ${holder.host}, since ${holder.since}`;
    super(`waited ${milliseconds / 1000} s for the lock ${path}, held by ${who}`);
  }
}

/** A netblock or the floating network has no free address. */
export class CongestedNetworkError extends VethworkError {
  readonly code = 'ERR_VETHWORK_CONGESTED';

  constructor(
    readonly network: string,
    readonly netblock: string,
  ) {
    super(`no free address in ${netblock} of ${network}`);
  }
}

/** A limit of the kernel or of this package would be exceeded, for example 1023 ports in a bridge. */
export class CapacityError extends VethworkError {
  readonly code = 'ERR_VETHWORK_CAPACITY';

  constructor(
    readonly resource: string,
    readonly limit: number,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** The process lacks a capability (capabilities(7)). */
export class PrivilegeError extends VethworkError {
  readonly code = 'ERR_VETHWORK_PRIVILEGE';

  constructor(
    readonly capability: string,
    readonly operation: string,
  ) {
    super(`${operation} needs the capability ${capability}`);
  }
}

/** A program that this package starts is not installed. */
export class MissingProgramError extends VethworkError {
  readonly code = 'ERR_VETHWORK_MISSING_PROGRAM';

  constructor(
    readonly program: string,
    readonly debianPackage: string,
  ) {
    super(`${program} is not installed; on Debian it is in the package ${debianPackage}`);
  }
}

/** Compiled code of this package, or of a dependency, cannot be loaded on this system. */
export class PlatformError extends VethworkError {
  readonly code = 'ERR_VETHWORK_PLATFORM';

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
  }
}

/**
 * The store or a file of dnsmasq cannot be read or written: the state folder is damaged or newer, the disk is full, or the
 * store is closed.
 */
export class StoreError extends VethworkError {
  readonly code = 'ERR_VETHWORK_STORE';

  constructor(
    /** The state folder, the address of the cluster's store, or a file of dnsmasq. */
    readonly location: string,
    problem: string,
    options?: ErrorOptions,
  ) {
    super(`${location}: ${problem}`, options);
  }
}

/** Another node of the cluster failed to apply its part of a request. */
export class NodeError extends VethworkError {
  /** Code of the error on that node. */
  readonly code: string;
  /** `takenIndexes` if the node's error is a `LinkIndexTakenError`. */
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

/** Nodes of the cluster did not apply their part of a request before the time-out. */
export class NodeTimeoutError extends VethworkError {
  readonly code = 'ERR_VETHWORK_NODE_TIMEOUT';

  constructor(
    /** Nodes that have not finished. */
    readonly nodes: readonly string[],
    /** Nodes among them that are unreachable. The other nodes may be waiting for these. */
    readonly gone: readonly string[],
    /** Time waited, in milliseconds. */
    readonly milliseconds: number,
  ) {
    const names = (all: readonly string[]) => all.map((node) => `node ${node}`).join(', ');
    super(`waited ${milliseconds} ms for ${names(nodes)}${gone.length > 0 ? `; gone: ${names(gone)}` : ''}`);
  }
}

export interface KernelErrorDetails {
  /** Name of the errno, for example `EEXIST`. */
  code: string;
  /** The errno as a positive number. */
  errno: number;
  /** Description of the failed operation, for example `create veth veth-e2300f-o`. */
  operation: string;
  /** Network namespace of the operation; `undefined` for that of this process. */
  namespace?: string | undefined;
  /** Message of the kernel (extended acknowledgement, NLMSGERR_ATTR_MSG), if it sent one. */
  extack?: string | undefined;
  /** Offset of the rejected attribute in the request, in bytes (NLMSGERR_ATTR_OFFS). */
  offset?: number | undefined;
  /** Index of the failed operation in its transaction. */
  index?: number | undefined;
  /** Errors of the roll-back; empty if it was complete. */
  rollbackErrors?: readonly KernelError[] | undefined;
}

/**
 * The kernel rejected an operation. As in Node's own system errors, `code` is the name of the errno: `EEXIST`, `ENODEV`.
 * The documentation of operations and queries says which codes to expect.
 */
export class KernelError extends VethworkError {
  /** Name of the errno, for example `EEXIST`; `ERRNO_999` for a number without a name. */
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

/** An interface index that the caller chose belongs to another link. Nothing was created; retry with another index. */
export class LinkIndexTakenError extends KernelError {
  constructor(
    details: KernelErrorDetails,
    /** Interface indexes of the operation that are in use. */
    readonly takenIndexes: readonly number[],
    options?: ErrorOptions,
  ) {
    super({ ...details, extack: `the interface index ${takenIndexes.join(' and ')} is in use` }, options);
  }
}

/** Sysctls cannot be written, because /proc/sys is mounted read-only. Nothing was changed. */
export class ReadOnlySysctlError extends KernelError {
  constructor(
    /** Name of the sysctl, for example `net.ipv4.ip_forward`. */
    readonly sysctl: string,
    /** What makes it writable. */
    remedy: string,
  ) {
    super({
      ...{ code: 'EROFS', errno: 30, operation: `write the sysctl ${sysctl}` },
      extack: `/proc/sys is mounted read-only: ${remedy}`,
    });
  }
}

/** dnsmasq failed to do what it was asked to. */
export class DnsmasqError extends VethworkError {
  readonly code = 'ERR_VETHWORK_DNSMASQ';

  constructor(
    /** UUID of the network. */
    readonly network: string,
    /** Cause of the failure; dnsmasq's own message if there is one. */
    readonly reason: string,
    /** Exit status of dnsmasq, if it ended: 1 configuration, 2 network, 3 files, 4 memory (dnsmasq(8)). */
    readonly exitCode?: number,
  ) {
    super(`dnsmasq of network ${network}: ${reason}`);
  }
}

/** Base class of errors that consist of several errors. */
export abstract class CombinedError extends VethworkError {
  constructor(
    /** One error for each failure. */
    readonly errors: readonly Error[],
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }

  override toJSON(): Record<string, unknown> {
    const errors = this.errors.map((error) =>
      error instanceof VethworkError ? error.toJSON() : { name: error.name, message: error.message },
    );
    return { ...super.toJSON(), errors };
  }
}

/**
 * Something could not be removed completely: `errors` says what failed. What is left stays recorded, and the same call, or the
 * next reconciliation, removes it.
 */
export class RemovalError extends CombinedError {
  readonly code = 'ERR_VETHWORK_REMOVAL';

  constructor(
    /** What was to be removed. */
    readonly subject: string,
    errors: readonly Error[],
  ) {
    super(errors, `${subject} could not be removed completely: ${errors.map(({ message }) => message).join('; ')}`);
  }
}

/**
 * A transaction was cancelled, and its roll-back is incomplete: `errors` says what could not be undone. `cause` is the reason
 * of the cancellation. (If an operation failed, see `rollbackErrors` of its `KernelError` instead.)
 */
export class RollbackError extends CombinedError {
  readonly code = 'ERR_VETHWORK_ROLLBACK';
}
