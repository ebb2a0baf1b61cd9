import type { RepairResult } from '../../src/api/types.js';
import { repairText } from '../../src/format/repair.js';

/** Descriptions of the repairs, one per line. */
export const repairLines = (results: readonly RepairResult[]): string => results.map(repairText).join('\n');
