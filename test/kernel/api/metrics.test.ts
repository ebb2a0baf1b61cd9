import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Host } from '../../../src/index.js';
import { cli } from '../../support/cli.js';
import { TestHost } from '../../support/host.js';
import { eventually, privileged } from '../../support/namespaces.js';
import { PYTHON } from '../../support/scapy.js';

const run = promisify(execFile);

/** Prints the samples of a text in the Prometheus format as the client library of Prometheus for Python reads them. */
const PARSER = `
import json, sys
from prometheus_client.parser import text_string_to_metric_families as parse
print(json.dumps([[f.type, s.name, s.labels, s.value] for f in parse(sys.argv[1]) for s in f.samples]))
`;
type Sample = [type: string, name: string, labels: Record<string, string>, value: number];

describe.skipIf(!privileged)('the metrics of a host', () => {
  let machine: TestHost;
  let host: Host;
  beforeAll(async () => {
    machine = await TestHost.create({ deletionHalo: 0 });
    host = await machine.open();
  });
  afterAll(() => machine.remove());

  const parse = async (text: string) => JSON.parse((await run(PYTHON, ['-c', PARSER, text])).stdout) as Sample[];

  test('count networks, interfaces and what pools have done, for other tools to read', async () => {
    const network = await host.createNetwork({ name: 'demo', netblock: '172.16.0.0/24', provideDhcp: false });
    const pool = await network.prepare({ kind: 'tap', min: 2, max: 4 });
    expect(await parse(await host.metrics())).toContainEqual([
      'counter',
      'vethwork_pool_hits_total',
      expect.anything(),
      0,
    ]);
    for (let claims = 1; claims <= 3; claims++) {
      await network.attach({ slot: pool });
      await eventually(async () => {
        const { free, refilled } = await pool.status();
        return free >= 2 && refilled >= claims;
      });
    }
    // What this process has not recorded yet is part of it, and another process reads it a moment later.
    const texts = [
      async () => host.metrics(),
      async () => (await cli('--state-dir', machine.options.stateDir, 'metrics')).out,
    ];
    for (const text of texts) {
      const samples = (await eventually(async () => {
        const all = await parse(await text());
        return all.some(([, name, , value]) => name === 'vethwork_pool_hits_total' && value === 3) && all;
      })) as Sample[];
      const labels = { pool: pool.uuid, name: 'tap', network: network.uuid, kind: 'tap', node: '' };
      const value = (name: string) =>
        samples.find(([, each, { pool: of }]) => each === `vethwork_pool_${name}` && of === pool.uuid)?.[3] ??
        Number.NaN;
      expect(samples).toContainEqual(['gauge', 'vethwork_networks', {}, 1]);
      expect(samples).toContainEqual(['gauge', 'vethwork_interfaces', { state: 'created' }, 3]);
      expect(samples).toContainEqual(['gauge', 'vethwork_pool_claimed_slots', labels, 3]);
      expect(samples).toContainEqual(['gauge', 'vethwork_pool_min_slots', labels, 2]);
      expect(samples).toContainEqual(['counter', 'vethwork_pool_misses_total', labels, 0]);
      expect(value('free_slots')).toBeGreaterThanOrEqual(2);
      expect(value('refilled_slots_total')).toBeGreaterThanOrEqual(3);
      expect(value('refills_total')).toBeGreaterThanOrEqual(1);
      expect(value('refill_seconds_total')).toBeGreaterThan(0);
    }
  });
});
