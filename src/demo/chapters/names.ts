/** Values of the walk-through, so that the output can be compared with it. */
export const story = {
  network: 'demo',
  uuid: '17be6538-8f96-4ccb-b71e-a7e3022fead3',
  vni: 14823439,
  netblock: '172.16.0.0/24',
  gateway: '172.16.0.1',
  egressAddress: '192.168.15.1',
  floatingGateway: '192.168.15.194',
  first: { name: 'demo', device: 'vnet0', mac: '02:00:00:bd:cd:9b', address: '172.16.0.232' },
  second: { name: 'floatingdemo', device: 'vnet1', mac: '02:00:00:c7:f9:cc', address: '172.16.0.37' },
  floating: '192.168.15.29',
  routed: '192.168.15.30',
  /** MTU of the uplink (8950) minus the VXLAN overhead (50). */
  mtu: 8900,
} as const;

/** Names of the kernel objects of the walk-through. */
export const device = {
  egressBridge: 'egr-br-eth0',
  vxlan: 'vxlan-e2300f',
  bridge: 'br-vxlan-e2300f',
  outer: 'veth-e2300f-o',
  inner: 'veth-e2300f-i',
  egressOuter: 'egr-e2300f-o',
  egressInner: 'egr-e2300f-i',
  floatingOuter: 'flt-c0a80f1d-o',
  floatingInner: 'flt-c0a80f1d-i',
} as const;
