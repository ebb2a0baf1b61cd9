import type { RepairResult } from '../../src/api/observation.js';
import { repairText } from '../../src/format/repair.js';

/** What was repaired, one repair on each line. */
export const repairLines = (results: readonly RepairResult[]): string => results.map(repairText).join('\n');
