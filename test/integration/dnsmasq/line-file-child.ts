/** Run by line-file.test.ts: `line-file-child.ts <file> <name>` adds 1000 lines, and removes 1000 others. */
import { LineFile } from '../../../src/dnsmasq/line-file.js';

const [target, name] = process.argv.slice(2) as [string, string];
const file = new LineFile(target);
for (let index = 0; index < 1000; index++) {
  file.add(`new-${name}-${index},line`);
  file.remove(`old-${name}-${index},`);
}
