import type { Peer } from '../contender.js';
import { cni } from './cni.js';
import { floor } from './floor.js';
import { kernelLayer } from './kernel.js';
import { model, modelWithoutDhcp } from './model.js';
import { netavark } from './netavark.js';
import { pyroute2 } from './pyroute2.js';
import { shell } from './shell.js';
import { walkthrough } from './walkthrough.js';

/** All peers in the order of the tables: vethwork first. */
export const peers: readonly Peer[] = [
  model,
  modelWithoutDhcp,
  kernelLayer,
  floor,
  walkthrough,
  shell,
  pyroute2,
  cni,
  netavark,
];
