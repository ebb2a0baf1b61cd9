import { constants } from 'node:os';

/** Collects the errors of steps that are all tried. */
export class Errors {
  readonly #errors: Error[] = [];

  add(...errors: Error[]): void {
    this.#errors.push(...errors);
  }

  /** Tries a step, and keeps what it throws. */
  async attempt(step: () => Promise<unknown>): Promise<void> {
    try {
      await step();
    } catch (error) {
      this.#errors.push(error instanceof Error ? error : new Error(String(error)));
    }
  }

  get all(): readonly Error[] {
    return this.#errors;
  }

  get any(): boolean {
    return this.#errors.length > 0;
  }
}

/** @throws the first of the errors, if there is one */
export function throwFirst([error]: readonly Error[]): void {
  if (error !== undefined) throw error;
}

/** Error codes of a full file system, also of one without free inodes, and of a user without quota. */
const FULL = new Set<unknown>(['ENOSPC', 'EDQUOT', constants.errno.ENOSPC, constants.errno.EDQUOT]);

/** True if a file system call, of Node.js or of lmdb, failed because there is no space. */
export function isFull(error: unknown): boolean {
  return FULL.has((error as { code?: unknown }).code);
}
