import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ClusterStore } from '../../../src/store/etcd/cluster-store.js';
import { openEtcdStore } from '../../../src/store/etcd/store.js';
import { EtcdMembers } from '../../support/etcd-members.js';
import { patience } from '../../support/patience.js';

/** Clients per test, so that the lost member is that of some of them: each client uses one member. */
const CLIENTS = 6;
const CALLS = 4;

describe('etcd with three members', () => {
  let etcd: EtcdMembers;
  let stores: ClusterStore[];
  const outages: boolean[] = [];

  beforeAll(async () => {
    etcd = await EtcdMembers.start();
    // Shorter than two requests that are not answered.
    const timeout = patience(2500);
    stores = await Promise.all(Array.from({ length: CLIENTS }, () => openEtcdStore({ etcd: etcd.urls, timeout })));
    for (const store of stores) store.onOutage((isOut) => outages.push(isOut));
  });

  afterAll(async () => {
    await Promise.all(stores.map((store) => store.close()));
    await etcd[Symbol.asyncDispose]();
  });

  /** Each client commits and reads, one call after the other. */
  const work = async (name: string) => {
    await Promise.all(
      stores.map(async (store, client) => {
        for (let call = 0; call < CALLS; call++) {
          const key = `${name}/${client}/${call}`;
          expect(
            await store.commit({ conditions: [{ key, version: 0 }], puts: [{ key, value: call }], deletes: [] }),
          ).toBe(true);
          expect((await store.get(key))?.value).toBe(call);
        }
      }),
    );
    const all = Array.from({ length: CLIENTS * CALLS }, () => expect.anything());
    for (const store of stores) expect(await store.list(`${name}/`)).toEqual(all);
  };

  test('calls succeed while one of the members does not answer, and keep their leases', async () => {
    const lost: number[] = [];
    for (const [client, store] of stores.entries()) {
      const entry = await store.putWithLease(`lease/${client}`, client, { ttl: 5000, version: 0 });
      entry?.onLost(() => lost.push(client));
    }
    const leader = await etcd.leader();
    const follower = (leader + 1) % 3;
    await work('all');
    etcd.signal(follower, 'SIGSTOP');
    await work('follower');
    // Twice the time to live.
    await new Promise((resolve) => setTimeout(resolve, 10_000));
    expect(await stores[0]?.count('lease/')).toBe(CLIENTS);
    etcd.signal(follower, 'SIGCONT');
    expect(lost).toEqual([]);
    expect(outages).toEqual([]);
  });

  test('calls succeed after the leader was killed', async () => {
    etcd.signal(await etcd.leader(), 'SIGKILL');
    await work('leader');
    expect(await stores[0]?.count('lease/')).toBe(CLIENTS);
  });
});
