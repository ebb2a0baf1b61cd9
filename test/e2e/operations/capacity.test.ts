import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CapacityError, ConflictError, openHost } from '../../../src/index.js';
import { BRIDGE_PORTS, requireOverlayPort } from '../../../src/records/capacity.js';
import { reserveEgress } from '../../../src/records/egress.js';
import { floatingPool, keys, type NetworkRecord } from '../../../src/records/records.js';
import { openLmdbStore } from '../../../src/store/lmdb.js';
import { transact } from '../../../src/store/transaction.js';
import { ipLinks, rejection } from '../../support/kernel.js';
import { connect, privileged, TestNamespace } from '../../support/namespaces.js';
import { Walkthrough } from '../../support/walkthrough.js';

/** Makes a bridge have as many ports as it takes, less those that are to stay free. */
async function fill(machine: TestNamespace, bridge: string, free: number): Promise<void> {
  const ports = (await ipLinks(machine)).filter(({ master }) => master === bridge).length;
  const lines: string[] = [];
  for (let n = ports; n < BRIDGE_PORTS - free; n++) {
    lines.push(`link add fill${n} master ${bridge} type veth peer name other${n}\n`);
  }
  const folder = await mkdtemp(path.join(tmpdir(), 'vethwork-fill-'));
  try {
    await writeFile(path.join(folder, 'batch'), lines.join(''));
    await machine.ip('-batch', path.join(folder, 'batch'));
  } finally {
    await rm(folder, { recursive: true });
  }
}

describe.skipIf(!privileged)('a bridge without free ports', () => {
  it('on the egress side rejects networks and floating addresses, and leaves nothing behind', async () => {
    await using scene = await Walkthrough.open();
    const { machine, host } = scene;
    const network = await scene.network();
    const { nic } = await scene.container(network, 'one');
    await fill(machine, 'egr-br-eth0', 1);
    expect(await nic.float()).toMatch(/^192\.168\.15\./);
    await nic.defloat();
    await host.drained();
    await fill(machine, 'egr-br-eth0', 0);

    const used = (await host.refresh()).floatingAddresses;
    const before = (await ipLinks(machine)).map(({ ifname }) => ifname).sort();
    const full = { code: 'ERR_VETHWORK_CAPACITY', resource: 'egr-br-eth0', limit: 1023 };
    expect(await rejection(host.createNetwork({ name: 'late', netblock: '172.17.0.0/24' }))).toMatchObject(full);
    expect(await rejection(nic.float())).toMatchObject(full);
    expect(await rejection(nic.float())).toBeInstanceOf(CapacityError);
    await host.drained();
    expect((await host.listNetworks()).map(({ uuid }) => uuid)).toEqual([network.uuid]);
    expect((await nic.refresh()).floating).toBeUndefined();
    expect((await host.refresh()).floatingAddresses).toEqual(used);
    expect((await ipLinks(machine)).map(({ ifname }) => ifname).sort()).toEqual(before);

    // A network without NAT needs no port there. With a free port, the call succeeds.
    await scene.network({ name: 'apart', netblock: '172.18.0.0/24', provideNat: false });
    await machine.ip('link', 'delete', 'fill100');
    expect(await nic.float()).toMatch(/^192\.168\.15\./);
  });

  it('of a network rejects interfaces, and leaves nothing behind', async () => {
    await using scene = await Walkthrough.open();
    const network = await scene.network({ vni: 0xe2300f, netblock: '172.16.0.0/20' });
    await fill(scene.machine, 'br-vxlan-e2300f', 0);
    const addresses = await network.listAddresses();
    expect(await rejection(scene.container(network, 'late'))).toMatchObject({
      code: 'ERR_VETHWORK_CAPACITY',
      resource: 'br-vxlan-e2300f',
      limit: 1023,
    });
    expect(await network.listInterfaces()).toEqual([]);
    expect(await network.listAddresses()).toEqual(addresses);
    await scene.machine.ip('link', 'delete', 'fill100');
    await scene.container(network, 'one');
  });
});

describe('reserved ports', () => {
  let folder: string;

  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'vethwork-capacity-'));
  });

  afterEach(() => rm(folder, { recursive: true }));

  it('of the egress bridge count before the kernel is called; routed addresses need no port', async () => {
    const store = await openLmdbStore(folder);
    try {
      const floating = floatingPool('10.200.0.0/16');
      const context = {
        floatingOf: () => floating,
        coordinator: {},
        host: { egressBridge: { name: 'egr-br-eth0' } },
      } as Parameters<typeof reserveEgress>[1];
      const take = (owner: string) =>
        transact(store, (transaction) => reserveEgress(transaction, context, {}, { use: 'floating', owner }, {}));
      await transact(store, async (transaction) => {
        await floating.reserve(transaction, { use: 'routed', owner: 'routed' }, {});
        for (let n = 0; n < BRIDGE_PORTS - 1; n++) {
          await floating.reserve(transaction, { use: 'floating', owner: `${n}` }, {});
        }
      });
      const last = await take('last');
      expect(await rejection(take('late'))).toBeInstanceOf(CapacityError);
      await transact(store, (transaction) => floating.release(transaction, last, { owner: 'last' }));
      expect(await take('late')).toMatch(/^10\.200\./);
    } finally {
      await store.close();
    }
  });

  it("of a network's bridge count before the kernel is called", async () => {
    const store = await openLmdbStore(folder);
    const network = { uuid: 'n', name: 'n', vni: 0xe2300f, netblock: '172.16.0.0/20' } as NetworkRecord;
    const require = () => transact(store, (transaction) => requireOverlayPort(transaction, network));
    try {
      await transact(store, async (transaction) => {
        for (let n = 0; n < BRIDGE_PORTS - 3; n++) transaction.create(keys.member('n', `${n}`), true);
      });
      await require();
      await transact(store, async (transaction) => transaction.create(keys.member('n', 'last'), true));
      expect(await rejection(require())).toMatchObject({ code: 'ERR_VETHWORK_CAPACITY', resource: 'br-vxlan-e2300f' });
    } finally {
      await store.close();
    }
  });
});

describe.skipIf(!privileged)('limits of names and VNIs', () => {
  it('two NICs with the same first characters have different egress bridges', async () => {
    await using scene = await Walkthrough.open();
    const names: string[] = [];
    for (const [number, nic] of ['enp0s31f6np0', 'enp0s31f6np1'].entries()) {
      // One state folder serves a namespace.
      await using node = await TestNamespace.create('nic');
      await connect([node, nic], [scene.outside, `nic${number}`]);
      const stateDir = await mkdtemp(path.join(tmpdir(), 'vethwork-nic-'));
      try {
        const floatingNetwork = `192.168.${20 + number}.0/24`;
        const host = await openHost({ netns: node.name, stateDir, egressNic: nic, floatingNetwork });
        names.push(host.info.egressBridge);
        const bridges = (await ipLinks(node)).filter(({ linkinfo }) => linkinfo?.info_kind === 'bridge');
        expect(bridges.map(({ ifname }) => ifname)).toEqual([host.info.egressBridge]);
        await host.teardown();
        await host.close();
      } finally {
        await rm(stateDir, { recursive: true });
      }
    }
    expect(new Set(names).size).toBe(2);
  });

  it('a VNI belongs to one network, whether chosen or random', async () => {
    await using scene = await Walkthrough.open();
    await scene.network({ vni: 0xe2300f });
    const again = scene.host.createNetwork({ name: 'again', netblock: '172.17.0.0/24', vni: 0xe2300f });
    expect(await rejection(again)).toBeInstanceOf(ConflictError);
  });
});
