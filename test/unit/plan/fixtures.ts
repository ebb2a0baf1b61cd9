import type { DesiredFloatingIp, DesiredHost, DesiredInterface, DesiredNetwork } from '../../../src/plan/desired.js';

/** The host and the network of the walk-through. */
export const host: DesiredHost = {
  netns: 'node1',
  egressNic: 'eth0',
  egressBridge: { name: 'egr-br-eth0', index: 1000, mac: 'f6:d1:c6:05:15:fd' },
  egressMtu: 1500,
  floatingNetwork: '192.168.15.0/24',
  floatingAddress: '192.168.15.1',
  outboundNat: false,
  vxlanPort: 4789,
};

export const uuid = '17be6538-8f96-4ccb-b71e-a7e3022fead3';

export const network: DesiredNetwork = {
  uuid,
  vni: 14823439,
  netblock: '172.16.0.0/24',
  gateway: '172.16.0.1',
  mtu: 8900,
  provideDhcp: true,
  provideDns: false,
  bridge: { index: 2001, mac: '8a:a6:8d:31:c9:09' },
  vxlan: 2002,
  inner: { outer: 2003, inner: 2004, mac: '36:da:87:ea:ce:16' },
  egress: { outer: 2005, inner: 2006, address: '192.168.15.194' },
};

const { egress: _egress, ...withoutEgress } = network;
export const networkWithoutNat: DesiredNetwork = withoutEgress;

export const floating: DesiredFloatingIp = {
  address: '192.168.15.29',
  pair: { outer: 3001, inner: 3002 },
  target: '172.16.0.37',
};

export function nic(attachment: DesiredInterface['attachment'], order = 0): DesiredInterface {
  return { attachment, mac: '02:00:00:bd:cd:9b', address: '172.16.0.232', order };
}

/** One line for each operation or command; byte strings in hexadecimal. */
export function lines(plan: readonly object[]): string {
  return plan
    .map((step) =>
      JSON.stringify(step, (_key, value) => (value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value)),
    )
    .join('\n');
}
