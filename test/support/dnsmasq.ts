import { randomBytes } from 'node:crypto';
import path from 'node:path';
import type { DnsmasqConfig } from '../../src/dnsmasq/index.js';

export const DEVICE = 'veth-000abc-i';
export const GATEWAY = '172.16.0.1';
export const web = { mac: '02:00:00:00:00:0a', address: '172.16.0.10', hostname: 'web' };
export const db = { mac: '02:00:00:00:00:0b', address: '172.16.0.11', hostname: 'db' };

/** A runtime folder of a supervisor, below /run as in production: the account of dnsmasq needs access. */
export const runtimeRoot = (): string => path.join('/run', `vethwork-test-${randomBytes(4).toString('hex')}`, 'state');

/** Configuration of dnsmasq for a network, whose namespace has its UUID as name. */
export function dnsmasqConfig(network: string, changes: Partial<DnsmasqConfig> = {}): DnsmasqConfig {
  return {
    network,
    netns: network,
    device: DEVICE,
    netblock: '172.16.0.0/24',
    gateway: GATEWAY,
    broadcast: '172.16.0.255',
    mtu: 1450,
    domain: 'demo.internal',
    provideDhcp: true,
    provideNat: true,
    provideDns: true,
    dnsServers: [],
    leaseTime: 3600,
    reservations: [],
    ...changes,
  };
}
