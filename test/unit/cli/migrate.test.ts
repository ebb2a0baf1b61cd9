import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readAgentConfig } from '../../../src/agent/config.js';
import { parseEtcdUrl } from '../../../src/cli/migrate.js';
import { rejection } from '../../support/rejection.js';

describe('the URL of a cluster', () => {
  test.each([
    ['etcd://10.0.0.5:2379', { etcd: ['http://10.0.0.5:2379'] }],
    ['etcds://a:1,b:2/', undefined],
    ['etcds://a:1,b:2/east', { etcd: ['https://a:1', 'https://b:2'], prefix: 'east/' }],
    ['etcd://[fd00::5]:2379/east/', { etcd: ['http://[fd00::5]:2379'], prefix: 'east/' }],
    ['http://10.0.0.5:2379', undefined],
    ['etcd://10.0.0.5', undefined],
    ['etcd://', undefined],
  ])('%s', (text, expected) => {
    if (expected === undefined) expect(() => parseEtcdUrl(text)).toThrow(/--to: expected etcd:\/\//);
    else expect(parseEtcdUrl(text)).toEqual(expected);
  });
});

describe('the configuration file of an agent', () => {
  const read = async (content: unknown) => {
    const folder = await mkdtemp(join(tmpdir(), 'vethwork-config-'));
    const file = join(folder, 'agent.json');
    await writeFile(file, typeof content === 'string' ? content : JSON.stringify(content));
    const result = await readAgentConfig(file).catch((error: unknown) => error);
    await rm(folder, { recursive: true });
    return result;
  };
  const good = { store: { etcd: ['http://10.0.0.5:2379'] }, node: 'node2' };

  test('needs only store and node', async () => {
    expect(await read(good)).toEqual({ listen: '127.0.0.1:9471', logLevel: 'info', host: good, warnings: [] });
  });

  test.each([
    ['store', { ...good, store: undefined }],
    ['store.etcd', { ...good, store: { etcd: [] } }],
    ['store.etcd[0]', { ...good, store: { etcd: ['10.0.0.5'] } }],
    ['node', { ...good, node: 'two words' }],
    ['egressNic', { ...good, role: 'network' }],
    ['vxlanSourcePorts.high', { ...good, vxlanSourcePorts: { low: 2, high: 1 } }],
    ['meshAddress', { ...good, meshAddress: '10.0.0' }],
    ['logLevel', { ...good, logLevel: 'loud' }],
    ['surprise', { ...good, surprise: 1 }],
    ['config', '{'],
  ])('is rejected for %s', async (field, content) => {
    expect(await read(content)).toMatchObject({ code: 'ERR_VETHWORK_VALIDATION', field });
  });

  test('must exist', async () => {
    expect(await rejection(readAgentConfig('/nowhere/agent.json'))).toMatchObject({ code: 'ERR_VETHWORK_VALIDATION' });
  });
});
