// smoke.mjs <folder of the installed package> [--load-only]: what any JavaScript engine has to be able to do with the
// package, in namespaces of its own. Without a test runner, as not every engine has one; root only. --load-only does what
// needs no namespace: emulators of other processors do not know every system call.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const [folder = '', mode] = process.argv.slice(2);
const load = (/** @type {string} */ path) => import(pathToFileURL(join(folder, path)).href);
const { openKernel } = await load('dist/kernel/index.js');
const kernel = openKernel();
const passed = [];

/** @param {string} name @param {() => Promise<void>} body */
async function check(name, body) {
  await body();
  passed.push(name);
}

const names = (/** @type {{ name: string }[]} */ links) => links.map(({ name }) => name);

/** As ip(8) sees it, where that is installed. */
function ipLinks(netns) {
  if (!['/sbin/ip', '/usr/sbin/ip', '/bin/ip'].some((path) => existsSync(path))) return undefined;
  return names(
    JSON.parse(execFileSync('ip', ['-n', netns, '-j', 'link'], { encoding: 'utf8' })).map(({ ifname }) => ({
      name: ifname,
    })),
  );
}

async function inNamespace() {
  const netns = `vw-smoke-${process.pid}`;
  await kernel.transaction([{ op: 'namespace.add', name: netns }]);
  try {
    const links = async () => names(await kernel.query('link.list', { netns })).sort();
    await check('transaction', async () => {
      const index = 0x5000_0001;
      await kernel.transaction([
        { op: 'link.add', netns, link: { kind: 'bridge', name: 'br0', index, up: true } },
        {
          op: 'link.add',
          netns,
          link: { kind: 'veth', name: 'v0', master: index, up: true, data: { peer: { name: 'v1' } } },
        },
        { op: 'address.add', netns, address: { index, address: '10.9.0.1/24' } },
        { op: 'sysctl.set', netns, key: 'ipv4/ip_forward', value: 1 },
      ]);
      assert.deepEqual(await links(), ['br0', 'lo', 'v0', 'v1']);
      const seen = ipLinks(netns);
      if (seen) assert.deepEqual(seen.sort(), ['br0', 'lo', 'v0', 'v1']);
    });
    await check('roll-back', async () => {
      const failing = kernel.transaction([
        { op: 'link.add', netns, link: { kind: 'bridge', name: 'br1' } },
        { op: 'link.add', netns, link: { kind: 'bridge', name: 'br0' } },
      ]);
      await assert.rejects(failing, { code: 'EEXIST' });
      assert.deepEqual(await links(), ['br0', 'lo', 'v0', 'v1']);
    });
    await check('nftables', async () => {
      await kernel.transaction([
        { op: 'nftables.batch', netns, commands: [{ command: 'table.add', family: 'ip', name: 'smoke' }] },
      ]);
      const objects = await kernel.query('nftables.list', { netns });
      assert.deepEqual(names(objects), ['smoke']);
    });
    await check('spawn', async () => {
      const child = kernel.spawn('/bin/sh', ['-c', 'test -d /proc/sys/net/ipv4/conf/br0'], { netns });
      assert.deepEqual(await once(child, 'exit'), [0, null]);
      const outside = kernel.spawn('/bin/sh', ['-c', 'test -d /proc/sys/net/ipv4/conf/br0']);
      assert.deepEqual(await once(outside, 'exit'), [1, null]);
    });
    await check('run', async () => {
      // The shell that starts this leaves it descriptor 200.
      assert.ok(existsSync('/proc/self/fd/200'), 'no descriptor 200 to inherit');
      const script = '[ -e /proc/self/fd/2 ] || exit 4; [ ! -e /proc/self/fd/200 ] || exit 5; exit 3';
      assert.equal((await kernel.run('/bin/sh', ['-c', script], { netns })).exitCode, 3);
    });
  } finally {
    await kernel.transaction([{ op: 'namespace.delete', name: netns }]);
  }
}

async function host() {
  const { openHost } = await load('dist/index.js');
  const netns = `vw-smokeh-${process.pid}`;
  const index = 0x5000_0001;
  const state = await mkdtemp(join(tmpdir(), 'vethwork-smoke-'));
  await kernel.transaction([
    { op: 'namespace.add', name: netns },
    { op: 'link.add', netns, link: { kind: 'veth', name: 'eth0', index, up: true, data: { peer: { name: 'peer' } } } },
    { op: 'link.set', netns, link: { name: 'peer' }, changes: { up: true } },
    { op: 'address.add', netns, address: { index, address: '10.8.0.2/24' } },
  ]);
  try {
    await check('a network, an attach, a floating address', async () => {
      const opened = await openHost({ netns, egressNic: 'eth0', floatingNetwork: '192.168.15.0/24', stateDir: state });
      const net = await opened.createNetwork({ name: 'smoke', netblock: '172.16.0.0/24', provideDhcp: false });
      const nic = await net.attach({ tap: 'vnet0', mac: '02:00:00:bd:cd:9b' });
      assert.match(await nic.float(), /^192\.168\.15\./);
      assert.ok(names(await kernel.query('link.list', { netns })).includes('vnet0'));
      await net.delete();
      await opened.close();
    });
  } finally {
    await kernel.transaction([{ op: 'namespace.delete', name: netns }]);
    await rm(state, { recursive: true });
  }
}

await check('load', async () => {
  assert.ok(names(await kernel.query('link.list')).includes('lo'));
});
if (mode !== '--load-only') {
  await inNamespace();
  if (mode !== '--kernel-only') await host();
}
await kernel.close();
const { bun, deno, node } = process.versions;
const engine = bun ? `Bun ${bun}` : deno ? `Deno ${deno}` : `Node.js ${node}`;
console.log(`smoke: ${engine} on ${process.arch}: ${passed.length} passed, 0 failed (${passed.join('; ')})`);
