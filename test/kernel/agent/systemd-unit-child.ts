/** Run by systemd-unit.test.ts: `systemd-unit-child.ts <name>` makes a namespace and sees it. */
import { openKernel } from '../../../src/kernel/index.js';

const [name = ''] = process.argv.slice(2);
const kernel = openKernel();
await kernel.transaction([{ op: 'namespace.add', name }]);
const all = await kernel.query('namespace.list');
await kernel.close();
process.stdout.write(`uid ${process.geteuid?.()} made ${all.some((each) => each.name === name)}\n`);
