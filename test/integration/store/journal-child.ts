/** Run by the journal's tests as a process of its own: `journal-child.ts <folder> <name> <entries>`. */
import { Journal } from '../../../src/store/journal.js';

const [folder = '', who = '', count] = process.argv.slice(2);
const journal = new Journal<{ who: string; number: number }>(folder, { segmentBytes: 2000, segments: 1000 });
for (let number = 0; number < Number(count); number++) await journal.append({ who, number });
await journal.close();
