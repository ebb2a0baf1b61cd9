import type { RepairResult } from '../api/types.js';

/** A repair on one line, with why it failed where it did. */
export const repairText = ({ description, error }: RepairResult): string =>
  error === undefined ? description : `${description}: failed: ${error.message} (${error.code})`;
