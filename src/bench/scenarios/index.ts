import type { Scenario } from '../scenario.js';
import { attach } from './attach.js';
import { float } from './float.js';
import { network } from './network.js';

export const scenarios: readonly Scenario[] = [attach, network, float];
