import { z } from 'zod';
import type { NamespaceRef } from '../kernel/namespace.js';
import { openOwnKernel } from '../kernel/open-kernel.js';
import * as valid from '../util/validate.js';
import { features } from './features.js';
import type { Check, Finding } from './finding.js';
import { bridgeDrop, forwardDrop, legacyTables, rulesetFlush } from './firewall.js';
import { networkd, networkManager, vmware } from './managers.js';
import { neighbourTable } from './neighbours.js';
import {
  capabilities,
  dnsmasq,
  dnsmasqAccount,
  folders,
  kernelVersion,
  tunDevice,
  writableSysctls,
} from './requirements.js';
import { bridgePorts, connectionTable, foreignVxlan, forwarding, pathFilter, wayOut } from './settings.js';

export type { Finding } from './finding.js';

/** Checks that need no privilege. */
const OUTSIDE: readonly Check[] = [
  ...[capabilities, dnsmasq, dnsmasqAccount, kernelVersion, tunDevice, folders, writableSysctls],
  ...[rulesetFlush, networkd],
];
/** Checks that query the kernel and need privilege. */
const INSIDE: readonly Check[] = [
  ...[features, forwardDrop, bridgeDrop, legacyTables, pathFilter, forwarding, wayOut],
  ...[connectionTable, neighbourTable, bridgePorts, foreignVxlan, networkManager, vmware],
];

export interface DiagnosisOptions {
  /** Network namespace that represents the host. Default: the namespace of the process. */
  netns?: NamespaceRef;
  egressNic?: string;
  /** UDP port of VXLAN. Default 4789. */
  vxlanPort?: number;
  /** Root folder of the machine's files, to check another machine's. Default `/`. */
  root?: string;
}

const schema = z.strictObject({
  netns: valid.namespaceRef.optional(),
  egressNic: valid.interfaceName.optional(),
  vxlanPort: valid.port.default(4789),
  root: valid.path('the path of a folder').default('/'),
});

/**
 * Checks a machine for external problems: missing capabilities, programs and kernel features, and rules, settings and
 * link managers of other programs. Changes nothing, except for a temporary namespace.
 * @throws ValidationError
 */
export async function diagnose(options?: DiagnosisOptions): Promise<Finding[]> {
  const { netns, egressNic, vxlanPort, root } = valid.parseOptions(schema, options);
  const kernel = openOwnKernel(netns);
  const context = { kernel, netns, egressNic, vxlanPort, root };
  try {
    const outside = (await Promise.all(OUTSIDE.map((check) => check(context)))).flat();
    // Without these capabilities the kernel can't be queried.
    if (outside.some(({ severity, code }) => severity === 'error' && code === 'capability')) return outside;
    const inside = await Promise.all(INSIDE.map((check) => check(context)));
    return [...outside, ...inside.flat()];
  } finally {
    await kernel.close();
  }
}
