import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Background } from '../../../src/demo/tools.js';
import type { Network } from '../../../src/index.js';
import { eventually, privileged } from '../../support/namespaces.js';
import { askTcp, pings, serveTcp } from '../../support/traffic.js';
import { type Instance, Walkthrough } from '../../support/walkthrough.js';

const SERVICES = ['169.254.169.254', '169.254.1.1', '168.63.129.16', '100.100.100.200'];
/** Of the world, with which nothing is wrong. */
const WEB = '198.51.100.7';
const PORT = 80;

/** A name server that says 192.0.2.1 to everything. */
const RESOLVER = `
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind((sys.argv[1], 53))
print("listening", flush=True)
while True:
    q, who = s.recvfrom(4096)
    end = 12
    while q[end]: end += q[end] + 1
    question = q[12:end + 5]
    s.sendto(q[:2] + bytes.fromhex("81800001000100000000") + question + bytes.fromhex("c00c000100010000003c0004c0000201"), who)
`;

describe.skipIf(!privileged).each(['beyond the uplink', 'on the host itself'] as const)(
  'metadata services %s',
  (where) => {
    let stage: Walkthrough;
    let network: Network;
    let one: Instance;
    const servers: Background[] = [];

    beforeAll(async () => {
      stage = await Walkthrough.open({
        options: { outboundNat: true, dnsServers: ['169.254.169.254'] },
        before: async (machine) => {
          if (where === 'on the host itself')
            for (const each of SERVICES) await machine.ip('address', 'add', each, 'dev', 'lo');
        },
      });
      const place = where === 'on the host itself' ? stage.machine : stage.outside;
      if (place === stage.outside)
        for (const each of SERVICES) await place.ip('address', 'add', `${each}/32`, 'dev', 'lo');
      await stage.outside.ip('address', 'add', `${WEB}/32`, 'dev', 'lo');
      servers.push(await serveTcp(place, 'metadata', PORT));
      if (place !== stage.outside) servers.push(await serveTcp(stage.outside, 'web', PORT));
      await stage.start(place, '/usr/bin/python3', '-c', RESOLVER, '169.254.169.254').until(/listening/);
      network = await stage.network({ provideDns: true });
      one = await stage.container(network, 'one', { address: '172.16.0.2' });
    });
    afterAll(async () => {
      for (const server of servers) await server.stop();
      await stage?.[Symbol.asyncDispose]();
    });

    const reached = async () => {
      const { namespace } = one;
      await eventually(() => pings(namespace, WEB));
      const answers = await Promise.all(
        SERVICES.map(async (each) => [each, await askTcp(namespace, each, PORT)] as const),
      );
      return answers.flatMap(([each, answer]) => (answer.startsWith('metadata') ? [each] : []));
    };

    test('cannot be reached by instances, which reach everything else', async () => {
      expect(await reached()).toEqual([]);
      expect(await askTcp(one.namespace, WEB, PORT)).not.toBe('');
      const [echo, dig] = await Promise.all([
        pings(one.namespace, '169.254.169.254'),
        one.namespace.attempt('dig', '+tries=1', '+time=1', '@169.254.169.254', 'example.com'),
      ]);
      expect(echo).toBe(false);
      // No server answered.
      expect(dig.exitCode).toBe(9);
    });

    test('cannot be reached with a floating address, or by the MAC of the host', async () => {
      await one.nic.float();
      expect(await reached()).toEqual([]);
      expect(await askTcp(one.namespace, WEB, PORT)).not.toBe('');
      await one.nic.defloat();
      const bridge = `br-vxlan-${network.info.vni.toString(16).padStart(6, '0')}`;
      const { address } = JSON.parse(await stage.machine.ip('-j', 'link', 'show', bridge))[0] as { address: string };
      await one.namespace.ip('neigh', 'replace', '172.16.0.99', 'lladdr', address, 'dev', 'eth0');
      for (const each of SERVICES) await one.namespace.ip('route', 'add', each, 'via', '172.16.0.99', 'dev', 'eth0');
      expect(await reached()).toEqual([]);
      for (const each of SERVICES) await one.namespace.ip('route', 'delete', each);
    });

    test('can be the resolver of dnsmasq', async () => {
      const dig = await one.namespace.run('dig', '+short', '+tries=2', '+time=2', '@172.16.0.1', 'example.com');
      expect(dig.trim()).toBe('192.0.2.1');
    });

    test('cannot be asked as resolver by instances', async () => {
      const other = await stage.network({ name: 'other', netblock: '172.17.0.0/24' });
      const { lease } = await stage.client(other, 'two');
      expect(lease?.ip).toBeDefined();
      expect(lease?.dns).toBeUndefined();
    });

    test('can be reached with allowMetadata, which is recorded', async () => {
      await stage.host.close();
      await stage.reopen({ allowMetadata: true, updateSettings: true });
      expect((await reached()).sort()).toEqual([...SERVICES].sort());
      await stage.host.close();
      await stage.reopen();
      expect((await reached()).sort()).toEqual([...SERVICES].sort());
      await stage.host.close();
      await stage.reopen({ allowMetadata: false, updateSettings: true });
      expect(await reached()).toEqual([]);
    });
  },
);
