import type { FloatWish, NetworkWish } from '../contender.js';

/** The walk-through's names of a network's links, which every contender uses. */
export function linkNames({ vni }: NetworkWish) {
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

export function floatNames({ address }: FloatWish) {
  const id = address
    .split('.')
    .map((byte) => Number(byte).toString(16).padStart(2, '0'))
    .join('');
  return { outer: `flt-${id}-o`, inner: `flt-${id}-i` } as const;
}
