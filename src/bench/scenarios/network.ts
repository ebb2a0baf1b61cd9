import { randomUUID } from 'node:crypto';
import type { NetworkSpec } from '../contender.js';
import { type Case, measure, timed } from '../measure.js';
import type { Scenario } from '../scenario.js';
import { verifyNetwork, verifyNetworkGone } from '../verify.js';

/** Creates and deletes a network on the network node, with and without dnsmasq. */
export const network: Scenario = {
  name: 'network',
  title: 'Create and delete a network on the network node',
  run: async (setting) => {
    const cases = [];
    for (const dhcp of [false, true]) cases.push(await measure(networkCase(dhcp), setting.entrants, setting));
    return { cases };
  },
};

let made = 0;

/** A network specification with a new UUID, VNI and egress address. */
export function nextNetwork(dhcp: boolean): NetworkSpec {
  made++;
  const third = made % 250;
  return {
    uuid: randomUUID(),
    // vethwork chooses its own VNI.
    vni: 0x100000 + made,
    netblock: '172.30.1.0/24',
    gateway: '172.30.1.1',
    gatewayCidr: '172.30.1.1/24',
    egress: `10.200.250.${1 + third}`,
    egressCidr: `10.200.250.${1 + third}/16`,
    dhcp,
  };
}

function networkCase(dhcp: boolean): Case {
  let spec: NetworkSpec;
  return {
    name: dhcp ? 'network-dhcp' : 'network',
    title: dhcp ? 'a network with NAT and dnsmasq' : 'a network with NAT',
    can: ({ peer, contender }) =>
      contender.createNetwork !== undefined &&
      peer.name !== 'model-dhcp' &&
      (!dhcp || ['model', 'walkthrough', 'shell'].includes(peer.name)),
    prepare: async () => {
      spec = nextNetwork(dhcp);
    },
    steps: [
      {
        figures: ['create'],
        work: async (contender) => [await timed(async () => contender.createNetwork?.(spec))],
        verify: () => verifyNetwork(spec),
      },
      {
        figures: ['delete'],
        work: async (contender) => [await timed(async () => contender.deleteNetwork?.(spec))],
        verify: () => verifyNetworkGone(spec),
      },
    ],
  };
}
