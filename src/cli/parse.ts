import { InvalidArgumentError } from 'commander';
import type { NamespaceRef } from '../kernel/namespace.js';
import type { Json } from '../store/store.js';

/** Parses a decimal integer. The API checks its range. */
export function parseInteger(text: string): number {
  const value = Number(text);
  if (!/^-?[0-9]+$/.test(text) || !Number.isSafeInteger(value)) {
    throw new InvalidArgumentError('expected a whole number.');
  }
  return value;
}

const UNITS = { '': 1, ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/**
 * Parses a duration into milliseconds: a number of milliseconds, or a number with a unit (`250ms`, `300s`, `5m`, `2h`,
 * `1d`).
 */
export function parseDuration(text: string): number {
  const [, digits, unit] = /^([0-9]+)(|ms|s|m|h|d)$/.exec(text) ?? [];
  const value = Number(digits) * UNITS[unit as keyof typeof UNITS];
  if (!Number.isSafeInteger(value)) {
    throw new InvalidArgumentError('expected milliseconds, or a number with a unit: ms, s, m, h or d.');
  }
  return value;
}

/** Parses a namespace: digits are a pid, anything else is a name or an absolute path. */
export function parseNamespace(text: string): NamespaceRef {
  if (text === '') {
    throw new InvalidArgumentError('expected the name of a namespace, its path or a pid.');
  }
  return /^[0-9]+$/.test(text) ? parseInteger(text) : text;
}

/** Parses `key=value` and adds it to the previous values. The value is a string and may be empty. */
export function parseMetadata(text: string, previous: Record<string, Json> = {}): Record<string, Json> {
  const at = text.indexOf('=');
  if (at < 1) {
    throw new InvalidArgumentError('expected key=value.');
  }
  return { ...previous, [text.slice(0, at)]: text.slice(at + 1) };
}

/** Collects the values of an option that may be repeated. */
export function collect(text: string, previous: string[] = []): string[] {
  return [...previous, text];
}

/** Returns the option of the command line for a property: `--multi-queue` for `multiQueue`. */
export const flagOf = (property: string): string =>
  `--${property.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
