import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { renderConfig } from '../../../src/dnsmasq/config.js';
import type { RuntimePaths } from '../../../src/dnsmasq/paths.js';
import type { DnsmasqConfig } from '../../../src/dnsmasq/types.js';
import { ValidationError } from '../../../src/errors.js';
import { anyText } from '../../support/texts.js';

const network = '17be6538-8f96-4ccb-b71e-a7e3022fead3';
const root = '/run/vethwork/0123456789ab';
const folder = `${root}/${network}`;
const paths: RuntimePaths = {
  ...{ root, folder, lock: `${folder}.lock`, dhcpHosts: `${folder}/dhcp-hosts`, names: `${folder}/names` },
  ...{ leases: `${folder}/leases`, log: `${folder}/log`, pid: `${folder}/pid` },
};
const account = { user: 'dnsmasq', group: 'nogroup', reader: undefined };
const bare = { mac: '02:00:00:bd:cd:9b', address: '172.16.0.232' };
const named = { mac: '02:00:00:C7:F9:CC', address: '172.16.0.37', hostname: 'floatingdemo' };
const demo: DnsmasqConfig = {
  network,
  netns: network,
  device: 'veth-e2300f-i',
  netblock: '172.16.0.0/24',
  gateway: '172.16.0.1',
  broadcast: '172.16.0.255',
  mtu: 8900,
  domain: 'vethwork.internal',
  provideDhcp: true,
  provideNat: true,
  provideDns: false,
  dnsServers: ['10.0.0.2', '10.0.0.3'],
  leaseTime: 3600,
  reservations: [named, bare],
};
const render = (changes: Partial<DnsmasqConfig> = {}) => renderConfig({ ...demo, ...changes }, paths, account);
const lines = (changes: Partial<DnsmasqConfig> = {}) => render(changes).config.split('\n');

describe('the configuration of dnsmasq', () => {
  it('of the walk-through has these lines', () => {
    expect(render().config).toBe(`# Written by vethwork; changes are lost.
bind-dynamic
interface=veth-e2300f-i
interface=/never-bind-to-one-device
except-interface=lo
user=dnsmasq
group=nogroup
pid-file=${paths.folder}/pid
no-resolv
no-hosts
log-facility=${paths.folder}/log
port=0
domain=vethwork.internal
dhcp-range=172.16.0.0,static,255.255.255.0,172.16.0.255,3600
dhcp-hostsfile=${paths.folder}/dhcp-hosts
dhcp-leasefile=${paths.folder}/leases
dhcp-lease-max=256
dhcp-authoritative
dhcp-rapid-commit
dhcp-ignore=tag:!known
dhcp-ignore-names
no-ping
dhcp-broadcast
quiet-dhcp
dhcp-option=1,255.255.255.0
dhcp-option=3,172.16.0.1
dhcp-option=6,10.0.0.2,10.0.0.3
dhcp-option=15,vethwork.internal
dhcp-option-force=26,8900
dhcp-option=28,172.16.0.255
`);
  });

  it('has reservations and names in separate files', () => {
    expect(render().dhcpHosts).toBe(
      '02:00:00:bd:cd:9b,id:*,172.16.0.232\n02:00:00:c7:f9:cc,id:*,172.16.0.37,floatingdemo.vethwork.internal\n',
    );
    expect(render().names).toBe('172.16.0.37 floatingdemo.vethwork.internal floatingdemo\n');
  });

  it('does not depend on the order of the reservations, and its main file not on the reservations', () => {
    expect(render({ reservations: demo.reservations.toReversed() })).toEqual(render());
    expect(render({ reservations: [] }).config).toBe(render().config);
  });

  it('without NAT has neither router nor upstream resolver', () => {
    expect(lines({ provideNat: false })).toEqual(expect.arrayContaining(['dhcp-option=3', 'dhcp-option=6']));
    const withDns = lines({ provideNat: false, provideDns: true });
    expect(withDns).toEqual(expect.arrayContaining(['dhcp-option=3', 'dhcp-option=6,172.16.0.1', 'port=53']));
    expect(withDns.filter((line) => line.startsWith('server='))).toEqual([]);
  });

  it('with DNS answers for its domain and forwards other names', () => {
    expect(lines({ provideDns: true })).toEqual(
      expect.arrayContaining([
        'port=53',
        'local=/vethwork.internal/',
        `addn-hosts=${paths.folder}/names`,
        'server=10.0.0.2',
        'server=10.0.0.3',
        'dhcp-option=6,172.16.0.1',
      ]),
    );
  });

  it('without DHCP has no DHCP option', () => {
    expect(lines({ provideDhcp: false, provideDns: true }).filter((line) => line.startsWith('dhcp'))).toEqual([]);
  });

  const reserved = (changes: object) => ({
    reservations: [{ mac: '02:00:00:00:00:01', address: '172.16.0.9', ...changes }],
  });
  it.each<[string, Partial<DnsmasqConfig>]>([
    ['domain', { domain: 'a.example\nuser=root' }],
    ['domain', { domain: 'a,b' }],
    ['device', { device: 'veth#x' }],
    ['device', { device: 'a\nuser=root' }],
    ['device', { device: 'veth,lo' }],
    ['gateway', { gateway: '172.16.1.1' }],
    ['gateway', { gateway: '172.16.0.1\n' }],
    ['broadcast', { broadcast: '10.0.0.255' }],
    ['netblock', { netblock: '172.16.0.1/24' }],
    ['mtu', { mtu: 1500.5 }],
    ['leaseTime', { leaseTime: 60 }],
    ['dnsServers[0]', { dnsServers: ['1.1.1.1#53'] }],
    ['network', { network: '../../etc' }],
    ['netns', { netns: 'a/b' }],
    ['reservations[0].hostname', reserved({ hostname: 'web,ignore' })],
    ['reservations[0].hostname', reserved({ hostname: 'web\n02:00:00:00:00:02,172.16.0.3' })],
    ['reservations[0].hostname', reserved({ hostname: 'web #' })],
    ['reservations[0].mac', reserved({ mac: '*:*:*:*:*:*' })],
    ['reservations[0].mac', reserved({ mac: '01:00:5e:00:00:01' })],
    ['reservations[0].address', reserved({ address: '10.1.1.1' })],
    ['reservations[1].mac', { reservations: [named, { ...named, address: '172.16.0.38' }] }],
    ['reservations[1].address', { reservations: [named, { ...bare, address: '172.16.0.37' }] }],
  ])('rejects an invalid %s: %j', (field, changes) => {
    expect(() => render(changes)).toThrow(ValidationError);
    expect(() => render(changes)).toThrow(expect.objectContaining({ field }));
  });

  it('rejects text that adds a line or a field', () => {
    const plain = render({ provideDns: true, ...reserved({ hostname: 'x' }) });
    const counts = { taken: 0, refused: 0 };
    fc.assert(
      fc.property(fc.constantFrom('a', 'web', 'x.y'), anyText({ maxLength: 8 }), (head, tail) => {
        try {
          const text = render({ provideDns: true, domain: head + tail, ...reserved({ hostname: head + tail }) });
          expect(text.config.split('\n').length).toBe(plain.config.split('\n').length);
          expect(text.dhcpHosts).toMatch(/^[^,\n#]+,[^,\n#]+,[^,\n#]+,[a-z0-9.-]+\n$/);
          expect(text.names).toMatch(/^[^ \n#]+ [^ \n#]+ [^ \n#]+\n$/);
          counts.taken++;
        } catch (error) {
          expect(error).toBeInstanceOf(ValidationError);
          counts.refused++;
        }
      }),
    );
    // Both have been tried.
    for (const count of Object.values(counts)) expect(count).toBeGreaterThan(0);
  });
});
