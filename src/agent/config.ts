import { z } from 'zod';
import { type ClusterHostOptions, clusterSchema, parseClusterOptions } from '../cluster/options.js';
import { ValidationError } from '../errors.js';
import { hidden } from '../util/hidden.js';
import { JsonSyntaxError, parseJson, readWithMode } from '../util/json-file.js';
import * as valid from '../util/validate.js';
import { parseListen } from './listen.js';
import { LOG_LEVELS, type LogLevel } from './logger.js';

/** The configuration file of an agent: the options of `openHost` for the node, and two more. */
const agentSchema = clusterSchema.extend({
  /** Address of /healthz and /metrics: `address:port`, or the absolute path of a Unix socket. */
  listen: z.string({ error: 'address:port, or the path of a socket' }).default('127.0.0.1:9471'),
  /** The least severe level that is logged. */
  logLevel: z.enum(LOG_LEVELS, { error: 'debug, info, warn or error' }).default('info'),
});

export interface AgentConfig {
  listen: string;
  logLevel: LogLevel;
  host: ClusterHostOptions;
  /** Problems of the file that do not prevent its use, such as permissions that are too wide. */
  warnings: string[];
}

/** Reads and checks a configuration file. @throws ValidationError that names the file or the field, without any secret */
export async function readAgentConfig(file: string): Promise<AgentConfig> {
  const { content, isOpen, mode } = await read(file);
  if (typeof content !== 'object' || content === null || Array.isArray(content)) {
    throw new ValidationError('config', hidden(content), `a JSON object in the file ${file}`);
  }
  const { listen, logLevel } = valid.parseOptions(agentSchema, content);
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

/** Warns of a private key that other users can read. A key that can't be read is reported when the store is opened. */
export async function keyWarnings(key: string | undefined): Promise<string[]> {
  if (key === undefined) return [];
  const { isOpen, mode } = await readWithMode(key).catch(() => ({ isOpen: false, mode: '' }));
  return isOpen ? [openFile(key, mode, 'a private key')] : [];
}

const openFile = (file: string, mode: string, what: string) =>
  `${file} holds ${what}, and other users can read it (mode ${mode}): chmod 600 ${file}`;
