import { describe, expect, test } from 'vitest';
import { parseHostOptions } from '../../../src/api/options.js';
import { parseDuration } from '../../../src/cli/parse.js';
import { parseClusterOptions } from '../../../src/cluster/options.js';
import { effectiveSettings, recordedSettings, settingsRecord } from '../../../src/host/settings.js';
import type { HostRecord } from '../../../src/records/records.js';
import { parseEtcdOptions } from '../../../src/store/etcd/options.js';

const host = { stateDir: '/state', egressNic: 'eth0', floatingNetwork: '192.168.15.0/24', dnsServers: ['10.0.0.53'] };

describe('durations in milliseconds', () => {
  test.each([
    ['0', 0],
    ['250', 250],
    ['250ms', 250],
    ['300s', 300_000],
    ['5m', 300_000],
    ['2h', 7_200_000],
    ['1d', 86_400_000],
  ])('are read on the command line: %s', (text, milliseconds) => {
    expect(parseDuration(text)).toBe(milliseconds);
  });

  test.each(['', 's', '-1', '1.5s', '5 m', '5M', '1h30m', '1e3', '99999999999999999999d'])(
    'are rejected on the command line: %j',
    (text) => {
      expect(() => parseDuration(text)).toThrow('expected milliseconds');
    },
  );

  test('are recorded without conversion as deletion halo', async () => {
    const { settings } = await effectiveSettings(parseHostOptions({ ...host, deletionHalo: 4350 }), undefined, 'here');
    const record = JSON.parse(JSON.stringify(settingsRecord(settings))) as HostRecord;
    expect(record.settings?.deletionHalo).toBe(4350);
    expect(recordedSettings(record)).toMatchObject({ deletionHalo: 4350 });
  });

  test.each(['leaseTime', 'nodeTimeout'])('are rejected if the value of %s is in seconds', (field) => {
    const options = { store: { etcd: ['http://10.0.0.5:2379'] }, node: 'node1' };
    expect(parseClusterOptions({ ...options, [field]: 15_000 })).toMatchObject({ [field]: 15_000 });
    expect(() => parseClusterOptions({ ...options, [field]: 15 })).toThrow(/a number of milliseconds from 1000/);
  });

  test('are rejected if the request timeout is in seconds', () => {
    const etcd = ['http://10.0.0.5:2379'];
    expect(parseEtcdOptions({ etcd, timeout: 5000 })).toMatchObject({ timeout: 5000 });
    expect(() => parseEtcdOptions({ etcd, timeout: 5 })).toThrow(/a number of milliseconds from 1000/);
  });
});
