import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { ValidationError } from '../errors.js';
import * as valid from '../validate.js';
import { type ClusterHostOptions, parseClusterOptions } from './options.js';

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
}

/** @throws ValidationError naming the file, or the field that is wrong */
export async function readAgentConfig(file: string): Promise<AgentConfig> {
  let content: unknown;
  try {
    content = JSON.parse(await readFile(file, 'utf8'));
  } catch (error) {
    throw new ValidationError('config', file, `a file that holds JSON (${(error as Error).message})`);
  }
  const { listen, logLevel } = valid.parse(agentSchema, content);
  const { listen: _listen, logLevel: _level, ...host } = content as Record<string, unknown>;
  const options = host as unknown as ClusterHostOptions;
  parseClusterOptions(options);
  return { listen, logLevel, host: options };
}
