import type { Scenario } from '../scenario.js';
import { attach } from './attach.js';
import { churn } from './churn.js';
import { float } from './float.js';
import { footprint } from './footprint.js';
import { growth } from './growth.js';
import { guard } from './guard.js';
import { network } from './network.js';
import { reconcile } from './reconcile.js';
import { sandbox } from './sandbox.js';
import { scale } from './scale.js';
import { slots } from './slots/index.js';
import { startUp } from './start.js';
import { traffic } from './traffic.js';

export const scenarios: readonly Scenario[] = [
  attach,
  guard,
  network,
  float,
  churn,
  sandbox,
  slots,
  traffic,
  scale,
  growth,
  reconcile,
  startUp,
  footprint,
];
