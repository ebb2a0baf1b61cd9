import { z } from 'zod';
import { type ClusterHostOptions, parseClusterOptions } from '../cluster/options.js';
import { ValidationError } from '../errors.js';
import { JsonSyntaxError, parseJson, readWithMode } from '../util/json-file.js';
import { hidden } from '../util/secret.js';
import * as valid from '../util/validate.js';
import { parseListen } from './listen.js';

/** What the file of `vethwork agent --config` holds: the options of `openHost` for the node, and these. */
const agentSchema = z.object({
  /** Where /healthz and /metrics are: `address:port`, or the path of a socket. */
  listen: z.string({ error: 'address:port, or the path of a socket' }).default('127.0.0.1:9471'),
  logLevel: z.enum(['debug', 'info', 'warn', 'error'], { error: 'debug, info, warn or error' }).default('info'),
});

export interface AgentConfig {
  listen: string;
  logLevel: 'debug' | 'info' | 'warn' | 'error';
  host: ClusterHostOptions;
  /** What is wrong with the file, though it can be used. */
  warnings: string[];
}

/** @throws ValidationError naming the file, or the field that is wrong; no secret of the file is in it */
export async function readAgentConfig(file: string): Promise<AgentConfig> {
  const { content, isOpen, mode } = await read(file);
  if (typeof content !== 'object' || content === null || Array.isArray(content)) {
    throw new ValidationError('config', hidden(content), `a JSON object in the file ${file}`);
  }
  const { listen, logLevel } = valid.parse(agentSchema, content);
  parseListen(listen);
  const { listen: _listen, logLevel: _level, ...host } = content as Record<string, unknown>;
  const options = host as unknown as ClusterHostOptions;
  const { store } = parseClusterOptions(options);
  const warnings = [
    ...(isOpen && store.password !== undefined ? [openFile(file, mode, 'a password')] : []),
    ...(await keyWarnings(store.tls?.key)),
  ];
  return { listen, logLevel, host: options, warnings };
}

async function read(file: string) {
  try {
    const { text, ...more } = await readWithMode(file);
    return { content: parseJson(text), ...more };
  } catch (error) {
    const reason = error instanceof JsonSyntaxError ? error.message : (error as NodeJS.ErrnoException).code;
    throw new ValidationError('config', file, `a file that holds JSON (${reason})`);
  }
}

/** Whether the key of a certificate is anybody's to read. What can't be read at all is said when the store is opened. */
export async function keyWarnings(key: string | undefined): Promise<string[]> {
  if (key === undefined) return [];
  const { isOpen, mode } = await readWithMode(key).catch(() => ({ isOpen: false, mode: '' }));
  return isOpen ? [openFile(key, mode, 'a private key')] : [];
}

const openFile = (file: string, mode: string, what: string) =>
  `${file} holds ${what}, and other users can read it (mode ${mode}): chmod 600 ${file}`;
