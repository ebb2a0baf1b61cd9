import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { ValidationError } from '../../../src/errors.js';
import * as schemas from '../../../src/util/validate.js';

/** What `parse` threw. */
function refusal(schema: z.ZodType, value: unknown, prefix?: string): ValidationError {
  try {
    schemas.parse(schema, value, prefix);
  } catch (error) {
    if (error instanceof ValidationError) return error;
    throw error;
  }
  throw new Error(`${JSON.stringify(value)} was accepted`);
}

const options = z.strictObject({
  name: schemas.displayName,
  netblock: schemas.cidr,
  mtu: schemas.mtu.optional(),
  kind: z.enum(['tap', 'veth']).optional(),
  ports: z
    .array(z.strictObject({ mac: schemas.mac }))
    .max(2)
    .optional(),
});

describe('parse', () => {
  test('returns the normalised value', () => {
    expect(
      schemas.parse(options, {
        name: 'demo',
        netblock: '172.16.0.0/24',
        ports: [{ mac: '02:00:00:BD:CD:9B' }],
        mtu: undefined,
      }),
    ).toEqual({ name: 'demo', netblock: '172.16.0.0/24', ports: [{ mac: '02:00:00:bd:cd:9b' }] });
  });

  test.each([
    [
      { name: 'demo', netblock: '172.16.0.1/24' },
      'netblock',
      '172.16.0.1/24',
      /without host bits, such as 172.16.0.0\/24/,
    ],
    [{ name: 'demo' }, 'netblock', undefined, /an IPv4 network/],
    [{ netblock: '10.0.0.0/8' }, 'name', undefined, /on one line/],
    [{ name: 'demo', netblock: '10.0.0.0/8', mtu: 575 }, 'mtu', 575, /^an MTU from 576 to 65535$/],
    [{ name: 'demo', netblock: '10.0.0.0/8', mtu: 1500.5 }, 'mtu', 1500.5, /^an MTU from/],
    [{ name: 'demo', netblock: '10.0.0.0/8', kind: 'tun' }, 'kind', 'tun', /^one of "tap", "veth"$/],
    [{ name: 'demo', netblock: '10.0.0.0/8', ports: 7 }, 'ports', 7, /^an array$/],
    [
      { name: 'demo', netblock: '10.0.0.0/8', ports: [{ mac: '02:00:00:00:00:01' }, { mac: 'x' }] },
      'ports[1].mac',
      'x',
      /unicast MAC/,
    ],
    [{ name: 'demo', netblock: '10.0.0.0/8', nat: true }, 'nat', 'nat', /^one of the fields name, netblock, mtu/],
  ])('rejects %j at %s', (value, field, found, expected) => {
    const error = refusal(options, value);
    expect(error).toMatchObject({ code: 'ERR_VETHWORK_VALIDATION', field, value: found });
    expect(error.expected).toMatch(expected);
  });

  test.each([undefined, null, 7, 'demo', []])('rejects %j as an object', (value) => {
    expect(refusal(options, value)).toMatchObject({ field: 'value', value, expected: 'an object' });
    expect(refusal(options, value, 'options').field).toBe('options');
  });

  test('prefixes the names of fields', () => {
    expect(refusal(options, { name: 'demo', netblock: 1 }, 'options').field).toBe('options.netblock');
  });

  test('reports the alternative that matches best', () => {
    const attach = z.union([
      z.strictObject({ tap: schemas.interfaceName }),
      z.strictObject({ netns: schemas.namespaceRef, configure: z.boolean().optional() }),
    ]);
    expect(refusal(attach, { tap: 'a/b' })).toMatchObject({ field: 'tap', value: 'a/b' });
    expect(refusal(attach, { netns: 'c1', configure: 'yes' })).toMatchObject({
      field: 'configure',
      value: 'yes',
      expected: 'true or false',
    });
    expect(refusal(z.union([z.string(), z.number()]), true).expected).toBe('a string or a number');
  });
});

const cases: [string, z.ZodType, unknown[], unknown[]][] = [
  [
    'interfaceName',
    schemas.interfaceName,
    ['eth0', 'veth-e2300f-o', '123456789012345', 'a.b', 'ü'],
    ['', '1234567890123456', 'a b', 'a/b', 'a:b', 'eth%d', '.', '..', 'a\tb', 'a\0', 'à', 'üüüüüüüü', 5, null],
  ],
  [
    'cidr',
    schemas.cidr,
    ['10.0.0.0/8', '172.16.0.0/29', '192.168.15.0/24'],
    [
      '172.16.0.0/30',
      '10.0.0.0/7',
      '172.16.0.1/24',
      '0.0.0.0/8',
      '127.0.0.0/8',
      '169.254.0.0/16',
      '169.0.0.0/8',
      '224.0.0.0/8',
      '240.0.0.0/8',
      'fd00::/64',
      '10.0.0.0',
      '10.0.0/8',
      '010.0.0.0/8',
      '10.0.0.0/8 ',
      '',
    ],
  ],
  [
    'ipv4',
    schemas.ipv4,
    ['172.16.0.5', '255.255.255.255'],
    ['172.16.5', '172.16.0.256', '172.16.0.05', '0x7f.1', '::1', '', 5],
  ],
  [
    'mac',
    schemas.mac,
    ['02:00:00:bd:cd:9b'],
    ['01:00:00:00:00:01', 'ff:ff:ff:ff:ff:ff', '00:00:00:00:00:00', '02-00-00-bd-cd-9b', '02:00:00:bd:cd', ''],
  ],
  [
    'uuid',
    schemas.uuid,
    ['17be6538-8f96-4ccb-b71e-a7e3022fead3'],
    ['17be65388f964ccbb71ea7e3022fead3', '17be6538-8f96-4ccb-b71e-a7e3022feadg', '../x', ''],
  ],
  ['hostname', schemas.hostname, ['web-1', 'a', '1'], ['-a', 'a-', 'a.b', 'a_b', '', 'a'.repeat(64)]],
  ['domain', schemas.domain, ['vethwork.internal', 'local'], ['.a', 'a.', 'a..b', '', `${'a.'.repeat(126)}ab`]],
  ['displayName', schemas.displayName, ['demo', 'Mein Netz'], ['', ' demo', 'a\nb', 'a'.repeat(256)]],
  [
    'namespaceRef',
    schemas.namespaceRef,
    ['c1', '/proc/1/ns/net', 1],
    ['', '/', 'a/b', '.', '..', 'a\0', 0, -1, 1.5, true, 2 ** 31],
  ],
  ['mtu', schemas.mtu, [576, 65535], [575, 65536, '1500', Number.NaN]],
  ['vni', schemas.vni, [1, 2 ** 24 - 1], [0, 2 ** 24, -1, 1.5, '1']],
  ['abortSignal', schemas.abortSignal, [new AbortController().signal], [{}, null]],
  [
    'metadata',
    schemas.metadata,
    [{}, { a: [1, 'x', null, { b: true }] }, JSON.parse('{"__proto__": 1}')],
    [
      [],
      null,
      'x',
      { a: Number.NaN },
      { a: () => 1 },
      { a: new Date() },
      { a: 1n },
      { a: 'x'.repeat(65536) },
      cyclic(),
    ],
  ],
];

function cyclic(): object {
  const object: Record<string, unknown> = {};
  object.self = object;
  return object;
}

describe.each(cases)('%s', (_name, schema, accepted, refused) => {
  test.each(accepted.map((value) => [value]))('accepts %j', (value) => {
    expect(schemas.parse(schema, value)).toEqual(value);
  });

  test('rejects other values with a readable text', () => {
    for (const value of refused) expect(refusal(schema, value).expected).toMatch(/^(an?|one|nothing) ?/);
  });
});

test('metadata is a copy without undefined fields', () => {
  const metadata = { a: { b: 1 }, c: undefined };
  const parsed = schemas.parse(schemas.metadata, metadata);
  expect(parsed).toStrictEqual({ a: { b: 1 } });
  metadata.a.b = 2;
  expect(parsed).toStrictEqual({ a: { b: 1 } });
});

describe('parseFields', () => {
  const schema = z.strictObject({ name: schemas.displayName.optional(), metadata: schemas.metadata.default({}) });

  test.each<Record<string, unknown>>([
    {},
    { name: 'a' },
    { metadata: { a: [1] } },
    { name: undefined, metadata: undefined },
  ])('returns what parse returns for %j', (given) =>
    expect(schemas.parseFields(schema, given)).toEqual(schemas.parse(schema, given)),
  );

  test.each<Record<string, unknown>>([
    { name: '' },
    { name: 3 },
    { metadata: 'x' },
    { other: 1 },
    { toString: 1 },
    { name: 'a', metadata: [] },
  ])('refuses %j with the error of parse', (given) => {
    const error = thrownBy(() => schemas.parse(schema, given));
    expect(error).toBeInstanceOf(ValidationError);
    expect(thrownBy(() => schemas.parseFields(schema, given))).toEqual(error);
  });
});

function thrownBy(work: () => unknown): unknown {
  try {
    work();
  } catch (error) {
    return error;
  }
  return undefined;
}
