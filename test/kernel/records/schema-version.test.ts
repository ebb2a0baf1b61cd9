import { readFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type HostRecord, keys } from '../../../src/records/records.js';
import { SCHEMA_VERSION, SEVERAL_ROUTERS_VERSION } from '../../../src/records/schema-version.js';
import { openLmdbStore } from '../../../src/store/lmdb.js';
import type { Entry, Json } from '../../../src/store/store.js';
import { TestHost } from '../../support/host.js';
import { ipLinks, rejection } from '../../support/kernel.js';
import { privileged } from '../../support/namespaces.js';

/** All entries of a state folder that the last version without a schema version has written. */
const FIXTURE = new URL('../../fixtures/state-1.json', import.meta.url);
const NETWORK = '11111111-1111-4111-8111-111111111111';

describe.skipIf(!privileged)('records of another version', () => {
  let machine: TestHost;
  beforeEach(async () => {
    machine = await TestHost.create({ dnsServers: [] });
  });
  afterEach(() => machine.remove());

  async function write(entries: readonly { key: string; value: Json }[]): Promise<void> {
    const store = await openLmdbStore(machine.options.stateDir);
    await store.commit({ conditions: [], puts: entries, deletes: [] });
    await store.close();
  }

  async function read(): Promise<Entry[]> {
    const store = await openLmdbStore(machine.options.stateDir);
    const entries = await store.list('');
    await store.close();
    return entries;
  }

  test('are migrated if it is the previous one, and their networks run', async () => {
    const text = (await readFile(FIXTURE, 'utf8')).replaceAll('vwt-fix', machine.node.name);
    await write(JSON.parse(text));
    const host = await machine.open();
    const network = await host.getNetwork('demo');
    expect(network.uuid).toBe(NETWORK);
    const [nic] = await network.listInterfaces();
    expect(nic).toMatchObject({ device: 'vnet0', address: '172.16.0.50', floating: '192.168.15.50', state: 'created' });
    expect((await ipLinks(machine.node)).map(({ ifname }) => ifname)).toContain('vnet0');
    expect(network.info.routedAddresses).toEqual(['192.168.15.60']);
    expect(await host.reconcile()).toEqual([]);
    const entries = new Map((await read()).map(({ key, value }) => [key, value]));
    expect(entries.get(keys.schema)).toBe(SCHEMA_VERSION);
    // Earlier versions recorded seconds, this one milliseconds.
    expect((entries.get(keys.host) as HostRecord).settings?.deletionHalo).toBe(120_000);
    expect(entries.has(keys.indexed)).toBe(false);
    // Opening it again changes nothing.
    await machine.close();
    await machine.open();
    expect(new Map((await read()).map(({ key, value }) => [key, value])).get(keys.host)).toEqual(
      entries.get(keys.host),
    );
  });

  test('are rejected and not changed if it is a later one', async () => {
    await machine.open();
    await machine.close();
    await write([{ key: keys.schema, value: SEVERAL_ROUTERS_VERSION + 1 }]);
    const before = await read();
    const error = await rejection(machine.open());
    expect(error).toMatchObject({ name: 'StoreError' });
    expect(String(error)).toContain(`version ${SEVERAL_ROUTERS_VERSION + 1}`);
    expect(String(error)).toContain('use a later vethwork');
    expect(await read()).toEqual(before);
    await write([{ key: keys.schema, value: SCHEMA_VERSION }]);
    await machine.open();
  });
});
