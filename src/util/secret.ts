import { z } from 'zod';
import { hidden } from './hidden.js';

type Show = (value: unknown) => unknown;

const secrets = new WeakMap<z.core.$ZodType, Show>();

/**
 * Marks a schema as secret. Errors about it, or about an object or list that contains it, show no value.
 * @param show returns what an error may show nevertheless
 */
export function secret<Schema extends z.ZodType>(schema: Schema, show: Show = hidden): Schema {
  secrets.set(schema, show);
  return schema;
}

/** Returns what an error may show of an invalid value at a path within a schema. */
export function shownValue(schema: z.core.$ZodType, path: readonly PropertyKey[], value: unknown): unknown {
  if (value === undefined) return undefined;
  let places = [schema];
  for (const [depth, key] of [undefined, ...path].entries()) {
    if (depth > 0) places = places.flatMap((place) => inside(place, key));
    places = places.flatMap(layers);
    const show = places.map((place) => secrets.get(place)).find((each) => each !== undefined);
    // Below a secret, every value is part of the secret.
    if (show !== undefined) return depth === path.length ? show(value) : hidden(value);
  }
  return places.some(holdsSecret) ? hidden(value) : value;
}

/** A schema and the schemas that it wraps or chooses from. */
function layers(schema: z.core.$ZodType): z.core.$ZodType[] {
  const { def } = schema._zod as unknown as { def: Record<string, unknown> };
  const wrapped = [def.innerType, def.in, def.out, def.left, def.right, ...((def.options as unknown[]) ?? [])];
  return [schema, ...wrapped.filter(isSchema).flatMap(layers)];
}

const isSchema = (value: unknown): value is z.core.$ZodType =>
  typeof value === 'object' && value !== null && '_zod' in value;

/** Schemas of the member with this name, or of the items of an array. */
function inside(schema: z.core.$ZodType, key: PropertyKey | undefined): z.core.$ZodType[] {
  if (schema instanceof z.ZodArray) return [schema.element];
  if (!(schema instanceof z.ZodObject)) return [];
  const members = new Map<PropertyKey | undefined, unknown>(Object.entries(schema.shape));
  const member = members.get(key);
  return isSchema(member) ? [member] : [];
}

function holdsSecret(schema: z.core.$ZodType): boolean {
  if (secrets.has(schema)) return true;
  const members: z.core.$ZodType[] =
    schema instanceof z.ZodArray
      ? [schema.element]
      : schema instanceof z.ZodObject
        ? Object.values(schema.shape as Record<string, z.core.$ZodType>)
        : [];
  return members.some((member) => layers(member).some(holdsSecret));
}
