import { expect, it } from 'vitest';
import { eventually, privileged } from '../../support/namespaces.js';
import { askTcp, pings, serveTcp } from '../../support/traffic.js';
import { Walkthrough } from '../../support/walkthrough.js';

it.skipIf(!privileged)(
  'the host tracks no connection within a network, although bridged frames pass iptables',
  async () => {
    await using scene = await Walkthrough.open({ sysctls: { 'bridge.bridge-nf-call-iptables': 1 } });
    const network = await scene.network();
    const one = await scene.container(network, 'one');
    const two = await scene.container(network, 'two');
    const address = two.nic.info.address;
    const tracked = () => scene.machine.run('conntrack', '-L');
    const server = await serveTcp(two.namespace, 'two');
    try {
      expect(await askTcp(one.namespace, address)).toContain(one.nic.info.address);
      expect(await pings(one.namespace, address)).toBe(true);
      expect(await pings(one.namespace, '10.0.0.1')).toBe(true);
      // Positive control: the host tracks what it forwards, from the network's gateway to the outside.
      await eventually(async () => (await tracked()).includes('dst=10.0.0.1'));
      for (const { nic } of [one, two]) expect(await tracked()).not.toContain(nic.info.address);

      // Positive control: without the rule, it tracks them.
      await scene.machine.run('nft', 'flush', 'chain', 'ip', 'vethwork', 'prerouting');
      expect(await askTcp(one.namespace, address)).toContain(one.nic.info.address);
      expect(await tracked()).toContain(address);
    } finally {
      await server.stop();
    }
  },
);
