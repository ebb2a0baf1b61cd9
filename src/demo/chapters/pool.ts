import { openHost } from '../../index.js';
import type { Chapter } from '../scene.js';

/** Slots of the pool, and claims at once. */
const SLOTS = 60;
const BURST = 50;

export const pool: Chapter = {
  title: 'A pool of prepared interfaces',
  text: `A pool keeps free slots: complete interfaces that belong to no instance. Nothing passes their ports. A claim creates
    nothing: it is one record, and one element of an nftables set.`,
  async play(scene) {
    const { network, host, stage } = scene;
    const closed = () => scene.ask('host', 'nft', 'list', 'set', 'bridge', 'vethwork_slots', 'closed');
    const prepared = await scene.call('network.prepare', (options) => network.prepare(options), {
      ...{ kind: 'namespace' as const, min: SLOTS },
    });
    const { free } = await prepared.status();
    scene.check(`${SLOTS} slots are free`, free >= SLOTS, String(free));

    scene.say(`${BURST} sandboxes start at once:`);
    const began = performance.now();
    const claims = Array.from({ length: BURST }, async (_, number) => {
      const nic = await network.attach({ slot: prepared, instance: `sandbox-${number}` });
      return { nic, took: performance.now() - began };
    });
    const claimed = await Promise.all(claims);
    const times = claimed.map(({ took }) => took).sort((one, other) => one - other);
    const at = (share: number) => times[Math.floor(share * (BURST - 1))]?.toFixed(1);
    scene.print(`claimed after: first ${at(0)} ms, median ${at(0.5)} ms, last ${at(1)} ms`);
    scene.equal('each has a slot of its own', new Set(claimed.map(({ nic }) => nic.info.netns)).size, BURST);
    scene.equal('no claim was a miss', (await prepared.status()).misses, 0);
    const [first] = claimed as [(typeof claimed)[number]];
    const { address, device, netns = '' } = first.nic.info;
    scene.check('a sandbox reaches the gateway', (await pingFrom(scene, netns, network.info.gateway)) === 0);
    scene.check('the host reaches a sandbox from inside the network', (await network.ping(address)) !== undefined);

    scene.say(
      `A process may be killed after the record of its claim, and before the kernel. Its port is still closed then:`,
    );
    await scene.show('host', 'nft', 'add', 'element', 'bridge', 'vethwork_slots', 'closed', `{ "${device}" }`);
    scene.check('the sandbox does not reach the gateway', (await pingFrom(scene, netns, network.info.gateway)) === 1);
    const other = await scene.call('openHost', (options) => openHost(options), stage.hostOptions);
    try {
      const [repair] = await other.repaired();
      scene.print(repair?.description ?? 'nothing was repaired');
      scene.check('the next process opens the port', !(await closed()).stdout.includes(`"${device}"`));
      scene.check('the sandbox reaches the gateway again', (await pingFrom(scene, netns, network.info.gateway)) === 0);
      const [adopted] = await other.listPools();
      scene.equal('it has the pool', [adopted?.uuid, adopted?.claimed], [prepared.uuid, BURST]);
    } finally {
      await other.close();
    }

    scene.say('All sandboxes end, and the pool is deleted:');
    await Promise.all(claimed.map(({ nic }) => nic.detach()));
    await scene.call('pool.delete', () => prepared.delete());
    await host.drained();
    scene.check('no port is closed any more', !(await closed()).stdout.includes('elements'));
  },
};

/** Exit code of a ping from a namespace by its path: 0 for a reply, 1 for none. */
async function pingFrom(scene: Parameters<Chapter['play']>[0], netns: string, address: string): Promise<number> {
  return (await scene.ask('host', 'nsenter', `--net=${netns}`, 'ping', '-c', '1', '-W', '2', address)).code;
}
