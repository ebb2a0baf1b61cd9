import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { type InterfaceRecord, keys, type NetworkRecord } from '../../../src/records/records.js';
import { openLmdbStore } from '../../../src/store/lmdb.js';
import { compile } from '../../support/compile.js';
import { TestHost } from '../../support/host.js';
import { ipLinks } from '../../support/kernel.js';
import { privileged } from '../../support/namespaces.js';
import { onOtherBoot } from '../../support/other-boot.js';

const run = promisify(execFile);

/** Runs the child on a machine with another boot id, until it kills itself. Resolves to its output. */
async function runBeforeBoot(bootFile: string, script: string, ...args: string[]): Promise<string> {
  const [file, command] = onOtherBoot(bootFile, process.execPath, script, ...args);
  const failure = await run(file, command).catch((error) => error as { stdout: string; signal: string });
  expect(failure).toMatchObject({ signal: 'SIGKILL' });
  return failure.stdout;
}

describe.skipIf(!privileged)('a failure of the machine', () => {
  test('loses no acknowledged call, and no failed call comes back', async () => {
    const machine = await TestHost.create({ deletionHalo: 0 });
    const guest = await machine.guest();
    await guest.ip('link', 'add', 'taken', 'type', 'veth', 'peer', 'name', 'other');
    const { script, folder } = await compile('test/kernel/reconcile/machine-failure-child.ts');
    const bootFile = join(folder, 'boot_id');
    await writeFile(bootFile, `${randomUUID()}\n`);
    try {
      const { stateDir } = machine.options;
      const told = JSON.parse(await runBeforeBoot(bootFile, script, JSON.stringify(machine.options), guest.name));
      expect(told.refused).toBe('ERR_VETHWORK_CONFLICT');
      // The kernel has nothing any more.
      for (const uuid of [told.network, told.last]) await run('ip', ['netns', 'delete', uuid]);
      for (const { ifname } of await ipLinks(machine.node)) {
        // The other end of a veth is gone with the first one.
        if (!['lo', 'eth0'].includes(ifname)) await machine.node.attempt('ip', 'link', 'delete', ifname);
      }
      await machine.node.run('nft', 'flush', 'ruleset');
      await rm(join(stateDir, 'store.mdb'));

      const store = await openLmdbStore(stateDir);
      const network = await store.get<NetworkRecord>(keys.network(told.last));
      // Control: the last call had not flushed its last step.
      expect(network?.value.state).toBe('initial');
      const before = (await store.list<InterfaceRecord>(keys.interfaces)).map(({ value }) => value);
      expect(
        before
          .filter(({ state }) => state !== 'deleting')
          .map(({ uuid }) => uuid)
          .sort(),
      ).toEqual(told.nics.sort());
      await store.close();

      const host = await machine.open();
      expect((await host.listNetworks()).map(({ uuid, state }) => [uuid, state]).sort()).toEqual(
        [told.network, told.last].map((uuid) => [uuid, 'created']).sort(),
      );
      const demo = await host.getNetwork(told.network);
      expect(demo.info.routedAddresses).toEqual([told.routed]);
      const nics = await demo.listInterfaces();
      expect(nics.map(({ device, state }) => [device, state]).sort()).toEqual([
        ['vnet0', 'created'],
        ['vnet1', 'created'],
      ]);
      expect(nics.map(({ uuid }) => uuid).sort()).toEqual(told.nics.sort());
      expect(nics.find(({ device }) => device === 'vnet0')?.floating).toBe(told.address);
      const links = (await ipLinks(machine.node)).map(({ ifname }) => ifname);
      expect(links).toEqual(expect.arrayContaining(['vnet0', 'vnet1']));
      expect(links).not.toContain('vnet2');
      expect(await host.reconcile()).toEqual([]);
    } finally {
      await machine.open();
      await machine.remove();
      await rm(folder, { recursive: true });
    }
  });
});
