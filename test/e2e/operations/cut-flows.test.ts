import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Network } from '../../../src/api/types.js';
import { eventually, privileged, type TestNamespace } from '../../support/namespaces.js';
import { listen, UDP } from '../../support/traffic.js';
import { Walkthrough } from '../../support/walkthrough.js';

const FLOATING = '192.168.15.29';
const OUTSIDE = '10.0.0.1';

/** A socket that is not connected, so that ICMP errors do not end the stream. */
const SENDER = `
import socket, sys, time
address, port, own = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
one.bind(("", own))
while True:
    try:
        one.sendto(b"x", (address, port))
    except OSError:
        pass
    time.sleep(0.01)
`;

/** Sends a datagram every 10 ms, always from the same port, until the namespace is removed. */
function stream(from: TestNamespace, address: string, port: number, sourcePort: number): void {
  from.spawn('/usr/bin/python3', ['-c', SENDER, address, String(port), String(sourcePort)], { stdio: 'ignore' });
}

/** Resolves after some frames of a stream. */
const meanwhile = () => new Promise((resolve) => setTimeout(resolve, 300));

describe.skipIf(!privileged)('a stream through what is removed', () => {
  let scene: Walkthrough;
  let network: Network;

  beforeAll(async () => {
    scene = await Walkthrough.open();
    network = await scene.network();
  });
  afterAll(() => scene?.[Symbol.asyncDispose]());

  /** Number of frames of the stream to a port that the outside sends, and that reach a namespace. */
  async function frames(port: number, at: TestNamespace) {
    const places = { sent: [scene.outside, 'eth0'], arrived: [at, 'eth0'] } as const;
    const { sent, arrived } = await listen(places, `udp port ${port}`, meanwhile);
    return { sent: sent.length, arrived: arrived.length };
  }

  it('does not pass any more when defloat returns, and reaches the next owner only', async () => {
    const [one, two] = [await scene.container(network, 'one'), await scene.container(network, 'two')];
    await one.nic.float({ address: FLOATING });
    stream(scene.outside, FLOATING, UDP, 5600);
    await eventually(async () => (await frames(UDP, one.namespace)).arrived > 0);
    await one.nic.defloat();
    const cut = await frames(UDP, one.namespace);
    // The positive control: the stream goes on.
    expect(cut.sent).toBeGreaterThan(0);
    expect(cut.arrived).toBe(0);
    await two.nic.float({ address: FLOATING });
    await eventually(async () => (await frames(UDP, two.namespace)).arrived > 0);
    expect((await frames(UDP, one.namespace)).arrived).toBe(0);
    const target = two.nic.info.address;
    const forwarded = async () => {
      const places = { sent: [scene.outside, 'eth0'], inside: [scene.inside(network), 'any'] } as const;
      return listen(places, `udp port ${UDP} and (dst host ${FLOATING} or dst host ${target})`, meanwhile);
    };
    const ofTarget = (lines: readonly string[]) => lines.filter((line) => line.includes(`> ${target}.`));
    expect(ofTarget((await forwarded()).inside)).not.toEqual([]);
    await two.nic.detach();
    const { sent, inside } = await forwarded();
    expect(sent).not.toEqual([]);
    expect(ofTarget(inside)).toEqual([]);
    await one.nic.detach();
  });

  it('of a detached interface never reaches the next one with its address', async () => {
    const one = await scene.container(network, 'first');
    const { address } = one.nic.info;
    // A flow from the instance: the outside answers to the address and port that the network's NAT chose.
    stream(one.namespace, OUTSIDE, 9100, 5601);
    const gateway = network.info.floatingGateway as string;
    stream(scene.outside, gateway, 5601, 9100);
    const arriving = async (at: TestNamespace) => {
      const places = { sent: [scene.outside, 'eth0'], arrived: [at, 'eth0'] } as const;
      const { sent, arrived } = await listen(places, `udp and dst port 5601`, meanwhile);
      return { sent: sent.length, arrived: arrived.length };
    };
    await eventually(async () => (await arriving(one.namespace)).arrived > 0);
    await one.nic.detach();
    const next = await scene.container(network, 'next', { address });
    const cut = await arriving(next.namespace);
    expect(cut.sent).toBeGreaterThan(0);
    expect(cut.arrived).toBe(0);
    // Nothing of the old flow is tracked; the stream from outside is not part of any.
    const tracked = await scene.inside(network).run('conntrack', '-L', '-s', address);
    expect(tracked).toBe('');
    await next.nic.detach();
  });
});
