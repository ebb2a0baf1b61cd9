import { type Logger, pino, stdSerializers, stdTimeFunctions } from 'pino';

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Members of options and configuration files whose values must not be logged, at any of the first levels of nesting. */
const SECRETS = ['password', 'username', 'authorization', 'tls'];
const DEPTHS = ['', '*.', '*.*.', '*.*.*.'];

export interface LoggerOptions {
  level: LogLevel;
  /** Name of the node. Every line has it. */
  node: string;
  /** Takes one line, with its line feed. */
  write: (line: string) => unknown;
}

/**
 * Creates the logger of an agent. It writes lines of JSON with the members `time` (ISO 8601), `level` (a word), `node`, `msg`
 * and, for an error, `err` (type, message, code, stack and cause). Secrets are replaced by `[redacted]`.
 */
export function createLogger({ level, node, write }: LoggerOptions): Logger {
  const logger = pino(
    {
      level,
      // No pid and host name: the service manager adds both.
      base: null,
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: stdSerializers.errWithCause },
      redact: { paths: DEPTHS.flatMap((depth) => SECRETS.map((name) => depth + name)), censor: '[redacted]' },
    },
    { write: (line) => void write(line) },
  );
  return logger.child({ node });
}
