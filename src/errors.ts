/**
 * The errors vethwork throws. Every one has a stable `code`, so callers never match on message text.
 */

/** What every error of this package has in common. */
export abstract class VethworkError extends Error {
  /** Stable, machine-readable: an errno name such as `EEXIST`, or `VALIDATION`, `NOT_FOUND`, `CONFLICT`, … */
  abstract readonly code: string;

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }

  /** What `--json` output and structured logs show. */
  toJSON(): Record<string, unknown> {
    return { ...(this as Record<string, unknown>), name: this.name, message: this.message };
  }
}

/** Shows a rejected value in a message: short, on one line, whatever it is. */
export function describeValue(value: unknown): string {
  let text: string | undefined;
  try {
    text = typeof value === 'bigint' ? `${value}n` : (JSON.stringify(value) ?? String(value));
  } catch {
    // It refers to itself, or holds a BigInt; it may not even have a toString of its own.
    text = Object.prototype.toString.call(value);
  }
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

/** An argument is wrong. Thrown before anything is touched. */
export class ValidationError extends VethworkError {
  readonly code = 'VALIDATION';

  /**
   * @param field path of the argument, for example `netblock` or `operations[2].link.mtu`
   * @param value what was passed
   * @param expected what would have been right, as a noun phrase
   */
  constructor(
    readonly field: string,
    readonly value: unknown,
    readonly expected: string,
  ) {
    super(`${field}: expected ${expected}, got ${describeValue(value)}`);
  }

  override toJSON(): Record<string, unknown> {
    let value = this.value;
    try {
      JSON.stringify(value);
    } catch {
      value = describeValue(value);
    }
    return { ...super.toJSON(), value };
  }
}

/** There is no such network, interface, address or host. */
export class NotFoundError extends VethworkError {
  readonly code = 'NOT_FOUND';

  constructor(
    readonly kind: string,
    readonly id: string,
  ) {
    super(`${kind} ${id} does not exist`);
  }
}

/** What was asked for clashes with what is there: a name, address or VNI in use, a wrong state. */
export class ConflictError extends VethworkError {
  readonly code = 'CONFLICT';

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
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
    super(`${details.operation}${where}: ${details.code}${why}`, options);
    this.code = details.code;
    this.errno = details.errno;
    this.operation = details.operation;
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
