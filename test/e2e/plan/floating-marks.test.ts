import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Network } from '../../../src/api/types.js';
import { match, type NftCommand, nftTable, openKernel } from '../../../src/kernel/index.js';
import { privileged } from '../../support/namespaces.js';
import { Flow, listen, serveEcho, UDP } from '../../support/traffic.js';
import { type Instance, Walkthrough } from '../../support/walkthrough.js';

const FLOATING = '192.168.15.29';
const OUTSIDE = '10.0.0.1';

/** Rules of earlier versions: the mark of a connection is the index of its floating link, which differs on each node. */
function earlierRules(inside: string): NftCommand[] {
  const table = nftTable('ip', 'vethwork');
  const at = { family: 'ip', table: 'vethwork' } as const;
  const remember = [
    { expression: 'meta', key: 'iif', register: 1 },
    { expression: 'ct', key: 'mark', sourceRegister: 1 },
  ] as const;
  const recall = [
    { expression: 'ct', key: 'mark', register: 1 },
    { expression: 'meta', key: 'mark', sourceRegister: 1 },
  ] as const;
  const marked = [
    { expression: 'ct', key: 'mark', register: 1 },
    { expression: 'cmp', register: 1, operator: 'neq', data: new Uint8Array(4) },
  ] as const;
  const [, ...rules] = table.chain(
    'prerouting',
    { type: 'filter', hook: 'prerouting', priority: -150 },
    {
      'a connection remembers its floating link': [match.state('new'), match.inputInterface('flt-*'), [...remember]],
      'replies leave through that link': [
        match.replyDirection(),
        [...marked],
        match.inputInterface(inside),
        [...recall],
      ],
    },
  );
  return [
    { ...at, command: 'chain.flush', name: 'prerouting' },
    { ...at, command: 'set.delete', name: 'replies' },
    ...rules,
  ];
}

describe.skipIf(!privileged)('the return path of a floating address', () => {
  let scene: Walkthrough;
  let network: Network;
  let one: Instance;
  const places = () => {
    const vni = network.info.vni.toString(16).padStart(6, '0');
    return {
      floating: [scene.inside(network), 'flt-c0a80f1d-i'],
      egress: [scene.inside(network), `egr-${vni}-i`],
    } as const;
  };
  const connections = (...filter: string[]) => scene.inside(network).run('conntrack', '-L', ...filter);

  beforeAll(async () => {
    scene = await Walkthrough.open();
    network = await scene.network();
    one = await scene.container(network, 'one');
    await one.nic.float({ address: FLOATING });
    await serveEcho(one.namespace, 'one', 'tcp');
  });

  afterAll(() => scene?.[Symbol.asyncDispose]());

  it('is that of the address, and connections have no mark, which another node would not understand', async () => {
    await using flow = new Flow(scene.outside, FLOATING, 'tcp', 5701);
    const heard = await listen(places(), 'tcp port 5701', async () => expect(await flow.ask()).toBe('one'));
    expect(heard.floating.length).toBeGreaterThan(3);
    expect(heard.egress).toEqual([]);
    expect(await connections('-p', 'tcp', '--orig-port-src', '5701')).toMatch(/sport=5701 .*ASSURED.* mark=0 /);
  });

  it('does not depend on the ports: the kernel translates the source port too if both are in use', async () => {
    // The instance's own connection from the port of its server, to the port that the other side sends from.
    const send = `echo x | socat -u - UDP4-SENDTO:${OUTSIDE}:5702,sourceport=${UDP}`;
    await one.namespace.run('bash', '-c', send);
    expect(await connections('-p', 'udp', '--orig-port-dst', '5702')).toContain(`sport=${UDP} dport=5702`);
    await serveEcho(one.namespace, 'one', 'udp');
    await using flow = new Flow(scene.outside, FLOATING, 'udp', 5702);
    const heard = await listen(places(), `udp and host ${FLOATING}`, async () => expect(await flow.ask()).toBe('one'));
    expect(await connections('-p', 'udp', '--orig-dst', FLOATING, '--orig-port-src', '5702')).toMatch(
      /sport=9090 dport=(?!5702 )/,
    );
    expect(heard.floating).toHaveLength(2);
    expect(heard.egress).toEqual([]);
  });

  it('is repaired where an earlier version created it, and established connections go on', async () => {
    await using kernel = openKernel();
    const vni = network.info.vni.toString(16).padStart(6, '0');
    const commands = earlierRules(`veth-${vni}-i`);
    await kernel.transaction([{ op: 'nftables.batch', netns: network.uuid, commands }]);
    await using flow = new Flow(scene.outside, FLOATING, 'tcp', 5703);
    expect(await flow.ask()).toBe('one');
    expect(await connections('-p', 'tcp', '--orig-port-src', '5703')).toMatch(/mark=[1-9]\d* /);
    expect(await scene.host.reconcile()).not.toEqual([]);
    expect(await scene.inside(network).run('nft', 'list', 'chain', 'ip', 'vethwork', 'prerouting')).not.toMatch(
      /ct mark/,
    );
    const heard = await listen(places(), 'tcp port 5703', async () => expect(await flow.ask()).toBe('one'));
    expect(heard.floating.length).toBeGreaterThan(1);
    expect(heard.egress).toEqual([]);
    expect(await scene.host.reconcile()).toEqual([]);
  });
});
