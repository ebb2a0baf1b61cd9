import { z } from 'zod';
import type { HostOptions } from '../api/types.js';
import { ValidationError } from '../errors.js';
import { hidden } from '../util/hidden.js';
import { parseJson } from '../util/json-file.js';
import { cidr, displayName, domain, interfaceName, ipv4, namespaceRef, parse, port } from '../util/validate.js';

/** The file that earlier versions of `vethwork init` wrote. The state folder remembers these settings now. */
export type HostFile = Omit<HostOptions, 'stateDir' | 'repair' | 'onProgress'>;

const schema = z
  .strictObject({
    netns: namespaceRef,
    egressNic: interfaceName,
    meshNic: interfaceName,
    floatingNetwork: cidr,
    outboundNat: z.boolean(),
    allowMetadata: z.boolean(),
    vxlanPort: port,
    neighbourTable: z.number(),
    // Earlier versions used seconds.
    deletionHalo: z.number().transform((seconds) => seconds * 1000),
    dnsServers: z.array(ipv4),
    domain,
    tenant: displayName,
  })
  .partial();

/** Parses the file. @throws ValidationError with the file and the member */
export function parseHostFile(text: string, path: string): Partial<HostFile> {
  let value: unknown;
  try {
    value = parseJson(text);
  } catch (error) {
    throw new ValidationError(path, hidden(text), `a file that holds JSON (${(error as Error).message})`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ValidationError(path, hidden(value), 'a file that holds a JSON object');
  }
  // JSON contains no undefined members.
  return parse(schema, value, path) as Partial<HostFile>;
}
