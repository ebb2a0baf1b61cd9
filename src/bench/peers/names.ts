import type { FloatSpec, NetworkSpec } from '../contender.js';

/** Link names of a network, as in the walk-through. All contenders use them. */
export function linkNames({ vni }: NetworkSpec) {
  const id = vni.toString(16).padStart(6, '0');
  return {
    vxlan: `vxlan-${id}`,
    bridge: `br-vxlan-${id}`,
    vethOuter: `veth-${id}-o`,
    vethInner: `veth-${id}-i`,
    egressOuter: `egr-${id}-o`,
    egressInner: `egr-${id}-i`,
  } as const;
}

export function floatNames({ address }: FloatSpec) {
  const id = address
    .split('.')
    .map((byte) => Number(byte).toString(16).padStart(2, '0'))
    .join('');
  return { outer: `flt-${id}-o`, inner: `flt-${id}-i` } as const;
}
