import { describe, expect, it } from 'vitest';
import { attachOptions } from '../../../src/cli/interface.js';
import { parseInteger, parseMetadata, parseNamespace } from '../../../src/cli/parse.js';
import { parseHostFile } from '../../../src/cli/parse-host-file.js';
import { ValidationError } from '../../../src/errors.js';

describe('values of flags', () => {
  it.each([
    ['0', 0],
    ['14823439', 14823439],
    ['-1', -1],
  ])('reads the number %s', (text, value) => {
    expect(parseInteger(text)).toBe(value);
  });

  it.each(['', 'x', '1.5', '1e3', '0x10', ' 1', '99999999999999999999'])('rejects %j as a number', (text) => {
    expect(() => parseInteger(text)).toThrow('whole number');
  });

  it('reads digits as a pid and anything else as a name or path', () => {
    expect(parseNamespace('4711')).toBe(4711);
    expect(parseNamespace('c1')).toBe('c1');
    expect(parseNamespace('/proc/1/ns/net')).toBe('/proc/1/ns/net');
    expect(() => parseNamespace('')).toThrow('expected the name of a namespace');
  });

  it('collects metadata and splits at the first equals sign', () => {
    expect(parseMetadata('b=x=y', parseMetadata('a='))).toEqual({ a: '', b: 'x=y' });
    expect(() => parseMetadata('novalue')).toThrow('key=value');
    expect(() => parseMetadata('=value')).toThrow('key=value');
  });
});

describe('options of attach', () => {
  it('are accepted for each kind of attachment', () => {
    expect(attachOptions({ tap: 'vnet0', owner: 64055, mac: '02:00:00:00:00:01' })).toEqual({
      tap: 'vnet0',
      owner: 64055,
      mac: '02:00:00:00:00:01',
    });
    expect(attachOptions({ netns: 'c1', name: 'eth0', configure: true })).toEqual({
      netns: 'c1',
      name: 'eth0',
      configure: true,
    });
    expect(attachOptions({ device: 'vnet0', address: '172.16.0.5' })).toEqual({
      device: 'vnet0',
      address: '172.16.0.5',
    });
  });

  it.each([
    [{}, 'attach'],
    [{ tap: 'a', device: 'b' }, 'attach'],
    [{ device: 'a', configure: true as const }, '--configure'],
    [{ tap: 'a', name: 'eth0' }, '--name'],
    [{ netns: 'a', multiQueue: true as const }, '--multi-queue'],
  ])('of other kinds are rejected: %j', (flags, field) => {
    expect(() => attachOptions(flags)).toThrow(expect.objectContaining({ name: ValidationError.name, field }));
  });
});

describe('the host file', () => {
  it('returns the options in the file', () => {
    const options = { egressNic: 'eth0', floatingNetwork: '192.168.15.0/24', netns: 'node1', outboundNat: true };
    expect(parseHostFile(JSON.stringify(options), 'host.json')).toEqual(options);
  });

  it.each([
    ['{', 'host.json'],
    ['{"egressNic": 5}', 'egressNic'],
    ['{"floatingNetwork": "192.168.15.1/24"}', 'floatingNetwork'],
    ['{"egressNick": "eth0"}', 'egressNick'],
  ])('rejects %s and names the file and the member', (text, field) => {
    expect(() => parseHostFile(text, 'host.json')).toThrow(ValidationError);
    expect(() => parseHostFile(text, 'host.json')).toThrow(field);
    expect(() => parseHostFile(text, 'host.json')).toThrow('host.json');
  });
});
