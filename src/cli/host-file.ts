import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { ValidationError } from '../errors.js';
import type { HostOptions } from '../model/types.js';
import { cidr, displayName, domain, interfaceName, ipv4, namespaceRef, parse, port } from '../validate.js';

/** What `vethwork init` remembers; every value is checked again by `openHost`. */
export type HostFile = Omit<HostOptions, 'state' | 'repair' | 'onProgress'>;

const schema = z
  .strictObject({
    netns: namespaceRef,
    egressNic: interfaceName,
    meshNic: interfaceName,
    floatingNetwork: cidr,
    outboundNat: z.boolean(),
    vxlanPort: port,
    neighbourTable: z.number(),
    deletionHalo: z.number(),
    dnsServers: z.array(ipv4),
    domain,
    tenant: displayName,
  })
  .partial();

export function hostFilePath(state: string): string {
  return join(state, 'host.json');
}

/** What is remembered for a state folder; nothing if `vethwork init` has not run on it. */
export async function readHostFile(state: string): Promise<Partial<HostFile>> {
  const path = hostFilePath(state);
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      return {};
    }
    throw error;
  }
  return parseHostFile(text, path);
}

/** @throws ValidationError naming the file and the member that is wrong */
export function parseHostFile(text: string, path: string): Partial<HostFile> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new ValidationError(path, text, 'JSON');
  }
  // What comes from JSON has no undefined members.
  return parse(schema, value, path) as Partial<HostFile>;
}

/** Replaces the file in one step, so that a reader never sees half of it. */
export async function writeHostFile(state: string, options: HostFile): Promise<void> {
  const path = hostFilePath(state);
  const temporary = `${path}.${process.pid}`;
  await mkdir(state, { recursive: true, mode: 0o700 });
  await writeFile(temporary, `${JSON.stringify(options, null, 2)}\n`, { mode: 0o600 });
  await rename(temporary, path);
}

export async function removeHostFile(state: string): Promise<void> {
  await rm(hostFilePath(state), { force: true });
}
