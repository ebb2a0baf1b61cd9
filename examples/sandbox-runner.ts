/**
 * Runs each command in a sandbox with a network of its own. The network path is not built while the user waits: it is
 * claimed from a pool of prepared namespaces. Needs root and a NIC `eth0`.
 *
 *   node sandbox-runner.js 'ip address show eth0' 'ping -c 1 172.30.0.1'
 */
import { once } from 'node:events';
import { type Network, openHost, type Pool } from 'vethwork';
import { openKernel } from 'vethwork/kernel';

const kernel = openKernel();

async function runSandbox(network: Network, pool: Pool, command: string): Promise<number> {
  const began = performance.now();
  // The namespace has a configured eth0, and nothing passes its port before this call.
  const nic = await network.attach({ slot: pool, instance: command });
  console.log(`${nic.info.address} claimed in ${(performance.now() - began).toFixed(2)} ms: ${command}`);
  try {
    // As `ip netns exec`. A real runner would start a container or virtual machine with `nic.info.netns`.
    const child = kernel.spawn('sh', ['-c', command], { netns: nic.info.netns, stdio: 'inherit' });
    const [code] = await once(child, 'close');
    return code ?? 1;
  } finally {
    // Deletes the namespace. The pool makes a new one in the background.
    await nic.detach();
  }
}

await using host = await openHost({
  egressNic: 'eth0',
  floatingNetwork: '192.168.15.0/24',
  stateDir: '/var/lib/vethwork',
});
const network = await host.ensureNetwork({ name: 'sandboxes', netblock: '172.30.0.0/16' });
// Returns the pool that an earlier run has left, also if it was killed.
const pool = await network.prepare({ kind: 'namespace', min: 8, max: 64 });
const codes = await Promise.all(process.argv.slice(2).map((command) => runSandbox(network, pool, command)));
console.log(await pool.status());
await kernel.close();
process.exitCode = Math.max(0, ...codes);
