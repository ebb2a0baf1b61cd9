import { describe, expect, test } from 'vitest';
import { createLogger, LOG_LEVELS, type LogLevel } from '../../../src/agent/logger.js';
import { KernelError, StoreError } from '../../../src/errors.js';

function loggerOf(level: LogLevel) {
  const lines: string[] = [];
  const log = createLogger({ level, node: 'node1', write: (line) => lines.push(line) });
  return { log, lines, last: () => JSON.parse(lines.at(-1) ?? '') as Record<string, unknown> };
}

describe("the agent's log", () => {
  test('a line is one JSON object with time, level, node and message', () => {
    const { log, lines, last } = loggerOf('info');
    const before = Date.now();
    log.info({ network: 'a\nb' }, 'network reconciled');
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/^[^\n]+\n$/);
    expect(last()).toEqual({
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      ...{ level: 'info', node: 'node1', network: 'a\nb', msg: 'network reconciled' },
    });
    expect(Date.parse(last().time as string)).toBeGreaterThanOrEqual(before);
  });

  test.each(LOG_LEVELS.map((level, index) => [level, index] as const))(
    'the level %s hides less severe lines',
    (level, index) => {
      const { log, lines } = loggerOf(level);
      for (const each of LOG_LEVELS) log[each](each);
      expect(lines.map((line) => (JSON.parse(line) as { msg: string }).msg)).toEqual(LOG_LEVELS.slice(index));
    },
  );

  test('an error has type, message, code, stack and cause', () => {
    const { log, last } = loggerOf('info');
    const cause = new KernelError({ code: 'ECONNREFUSED', errno: 111, operation: 'connect' });
    log.error({ err: new StoreError('http://10.0.0.5:2379', 'request failed', { cause }) }, 'node not opened');
    expect(last()).toMatchObject({
      level: 'error',
      err: {
        ...{ type: 'StoreError', code: 'ERR_VETHWORK_STORE', message: expect.stringContaining('request failed') },
        stack: expect.stringContaining('logger.test'),
        cause: { type: 'KernelError', code: 'ECONNREFUSED' },
      },
    });
  });

  test.each([
    ['options', (secret: object) => ({ store: secret })],
    ['a configuration', (secret: object) => ({ config: { host: { store: secret } } })],
    ['the top', (secret: object) => secret],
  ])('secrets of %s are redacted, and nothing else', (_where, wrap) => {
    const { log, lines, last } = loggerOf('info');
    const secret = { username: 'hidden-user', password: 'hidden-word', tls: { key: '/hidden-key' }, prefix: 'shown/' };
    log.warn(wrap(secret), 'options');
    expect(lines[0]).not.toContain('hidden');
    expect(lines[0]).toContain('[redacted]');
    expect(lines[0]).toContain('shown/');
    expect(last()).toMatchObject({ msg: 'options' });
    // The object that was logged stays as it was.
    expect(secret.password).toBe('hidden-word');
  });
});
