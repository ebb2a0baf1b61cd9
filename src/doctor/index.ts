import { z } from 'zod';
import type { NamespaceRef } from '../kernel/namespace.js';
import { openOwnKernel } from '../kernel/open-kernel.js';
import * as valid from '../util/validate.js';
import { features } from './features.js';
import type { Check, Finding } from './finding.js';
import { bridgeDrop, forwardDrop, legacyTables, rulesetFlush } from './firewall.js';
import { networkd, networkManager, vmware } from './managers.js';
import { neighbourTable } from './neighbours.js';
import { capabilities, dnsmasq, dnsmasqAccount, folders, kernelVersion, tunDevice } from './requirements.js';
import { bridgePorts, connectionTable, foreignVxlan, forwarding, pathFilter } from './settings.js';

export type { Finding } from './finding.js';

/** What needs nothing but to be looked at. */
const OUTSIDE: readonly Check[] = [
  ...[capabilities, dnsmasq, dnsmasqAccount, kernelVersion, tunDevice, folders],
  ...[rulesetFlush, networkd],
];
/** What the kernel is asked, which needs privilege. */
const INSIDE: readonly Check[] = [
  ...[features, forwardDrop, bridgeDrop, legacyTables, pathFilter, forwarding],
  ...[connectionTable, neighbourTable, bridgePorts, foreignVxlan, networkManager, vmware],
];

export interface DiagnosisOptions {
  /** The namespace that stands for the host; the process's own if absent. */
  netns?: NamespaceRef;
  egressNic?: string;
  /** UDP port of VXLAN. Default 4789. */
  vxlanPort?: number;
  /** Where the machine's files are, for a look at another one's. Default `/`. */
  root?: string;
}

const schema = z.strictObject({
  netns: valid.namespaceRef.optional(),
  egressNic: valid.interfaceName.optional(),
  vxlanPort: valid.port.default(4789),
  root: valid.path('the path of a folder').default('/'),
});

/**
 * Looks for what keeps networks from working and comes from outside: capabilities, programs and kernel features that
 * are missing, other programs' rules, settings and claims. Changes nothing; makes a namespace of its own for a moment.
 * @throws ValidationError
 */
export async function diagnose(options?: DiagnosisOptions): Promise<Finding[]> {
  const { netns, egressNic, vxlanPort, root } = valid.parseOptions(schema, options);
  const kernel = openOwnKernel(netns);
  const context = { kernel, netns, egressNic, vxlanPort, root };
  try {
    const outside = (await Promise.all(OUTSIDE.map((check) => check(context)))).flat();
    // Without these nothing inside can be asked.
    if (outside.some(({ severity, code }) => severity === 'error' && code === 'capability')) return outside;
    const inside = await Promise.all(INSIDE.map((check) => check(context)));
    return [...outside, ...inside.flat()];
  } finally {
    await kernel.close();
  }
}
