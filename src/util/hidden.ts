/** Replaces a secret value in messages by its type. */
export function hidden(value: unknown): string | undefined {
  if (value === undefined) return undefined;
  const kind = value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value;
  return `(${kind}, not shown)`;
}

/** A URL without its user and password, for messages. */
export function withoutUser(value: unknown): unknown {
  return typeof value === 'string' ? value.replace(/^([a-z+]*:\/\/)?.*@/is, '$1…@') : hidden(value);
}
