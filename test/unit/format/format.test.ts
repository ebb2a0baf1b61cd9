import { describe, expect, it } from 'vitest';
import type { InterfaceInfo, NetworkInfo } from '../../../src/api/types.js';
import { formatInterface, formatNetwork, formatNetworks, formatStatus } from '../../../src/format/format.js';
import { table } from '../../../src/format/table.js';

const network: NetworkInfo = {
  uuid: '17be6538-8f96-4ccb-b71e-a7e3022fead3',
  name: 'demo',
  vni: 14823439,
  netblock: '172.16.0.0/24',
  gateway: '172.16.0.1',
  provideDhcp: true,
  provideNat: true,
  provideDns: false,
  floatingGateway: '192.168.15.194',
  mtu: 8900,
  tenant: 'system',
  state: 'created',
  routedAddresses: [],
  metadata: {},
};

const nic: InterfaceInfo = {
  uuid: 'afc470fb-8348-4711-8c16-be4c4662d705',
  network: network.uuid,
  device: 'vnet0',
  attachment: 'device',
  mac: '02:00:00:bd:cd:9b',
  order: 0,
  address: '172.16.0.232',
  model: 'virtio',
  antiSpoofing: true,
  allowedAddresses: [],
  state: 'created',
  metadata: {},
};

describe('a network', () => {
  it('is printed with the fields of the walk-through, in its order', () => {
    expect(formatNetwork(network)).toBe(`uuid            : 17be6538-8f96-4ccb-b71e-a7e3022fead3
name            : demo
vxlan id        : 14823439
netblock        : 172.16.0.0/24
provide dhcp    : yes
provide nat     : yes
floating gateway: 192.168.15.194
tenant          : system
state           : created

Metadata:`);
  });

  it('without NAT has no floating gateway, and shows metadata and routed addresses', () => {
    const { floatingGateway: _, ...isolated } = network;
    const text = formatNetwork({
      ...isolated,
      provideNat: false,
      metadata: { team: 'blue', size: 3 },
      routedAddresses: ['192.168.15.30'],
    });
    expect(text).toContain('provide nat     : no\nfloating gateway: -\n');
    expect(text).toContain('Metadata:\n    team: blue\n    size: 3\n\nRouted addresses:\n    192.168.15.30');
  });

  it('has one line in a list', () => {
    const [header, line, ...rest] = formatNetworks([network]).split('\n');
    expect(header).toMatch(/^UUID +NAME +VXLAN ID.* TENANT +STATE$/);
    expect(line).toMatch(/^17be6538-8f96-4ccb-b71e-a7e3022fead3 {2}demo {2}14823439 {2}172\.16\.0\.0\/24/);
    expect(rest).toEqual([]);
  });
});

describe('an interface', () => {
  it('starts with the fields of the walk-through in its order', () => {
    expect(formatInterface(nic).split('\n').slice(0, 7)).toEqual([
      'uuid    : afc470fb-8348-4711-8c16-be4c4662d705',
      'network : 17be6538-8f96-4ccb-b71e-a7e3022fead3',
      'macaddr : 02:00:00:bd:cd:9b',
      'order   : 0',
      'ipv4    : 172.16.0.232',
      'floating: -',
      'model   : virtio',
    ]);
  });

  it('shows its floating IP', () => {
    expect(formatInterface({ ...nic, floating: '192.168.15.29' })).toContain('floating: 192.168.15.29\n');
  });
});

describe('the status', () => {
  const host = {
    egressBridge: 'egr-br-eth0',
    floatingNetwork: '192.168.15.0/24',
    floatingAddress: '192.168.15.1',
    outboundNat: true,
    egressNic: 'eth0',
    meshNic: 'eth0',
    mtu: 8900,
    networks: 1,
    interfaces: 0,
    floatingAddresses: { total: 253, used: 1 },
  };

  it('says that nothing differs', () => {
    const text = formatStatus({ host, repairs: [], networks: [network], pools: [] });
    expect(text).toContain('health          : in order');
    expect(text).toContain('floating in use : 1 of 253');
    expect(text).toContain(network.uuid);
  });

  it('lists the repairs', () => {
    const text = formatStatus({
      host,
      repairs: [{ action: 'dnsmasq', description: 'dnsmasq of demo is dead' }],
      networks: [],
      pools: [],
    });
    expect(text).toContain('health          : 1 to repair (vethwork reconcile)');
    expect(text).toContain('    dnsmasq of demo is dead');
  });

  it('warns if floating addresses cannot be reached', () => {
    const warnings = ['the host has no default route'];
    const lacking = formatStatus({
      host: { ...host, outboundNat: false, warnings },
      repairs: [],
      networks: [],
      pools: [],
    });
    expect(lacking).toContain('outbound nat    : no: replies from outside need a route to 192.168.15.0/24');
    expect(lacking).toContain('warning: the host has no default route');
    const healthy = formatStatus({ host, repairs: [], networks: [], pools: [] });
    expect(healthy).toContain('outbound nat    : yes');
    expect(healthy).not.toContain('warning');
  });
});

describe('a table', () => {
  it('aligns columns and leaves no space at line ends', () => {
    expect(
      table(
        ['A', 'LONG', 'B'],
        [
          ['xyz', '1', ''],
          ['x', '22222', 'b'],
        ],
      ),
    ).toBe('A    LONG   B\nxyz  1\nx    22222  b');
  });
});
