import { describe, expect, test } from 'vitest';
import * as errors from '../../../src/errors.js';
import * as entry from '../../../src/index.js';
import * as kernelEntry from '../../../src/kernel/index.js';

const details = { code: 'EEXIST', errno: 17, operation: 'create dummy a' };

/** One error of each class that can be constructed. */
const samples: Record<string, errors.VethworkError> = {
  ValidationError: new errors.ValidationError('a', 1, 'a text'),
  NotFoundError: new errors.NotFoundError('network', 'a'),
  ConflictError: new errors.ConflictError('a'),
  DifferenceError: new errors.DifferenceError('network a', 'mtu', 1, 2),
  LockTimeoutError: new errors.LockTimeoutError('/a', undefined, 1500),
  CongestedNetworkError: new errors.CongestedNetworkError('a', '10.0.0.0/8'),
  CapacityError: new errors.CapacityError('a', 1, 'full'),
  PrivilegeError: new errors.PrivilegeError('CAP_NET_RAW', 'a ping'),
  MissingProgramError: new errors.MissingProgramError('dnsmasq', 'dnsmasq-base'),
  PlatformError: new errors.PlatformError('a'),
  StoreError: new errors.StoreError('/a', 'is full'),
  NodeError: new errors.NodeError('node1', { code: 'ERR_VETHWORK_CONFLICT', message: 'a' }),
  NodeTimeoutError: new errors.NodeTimeoutError(['node1'], [], 1),
  KernelError: new errors.KernelError(details),
  LinkIndexTakenError: new errors.LinkIndexTakenError(details, [7]),
  ReadOnlySysctlError: new errors.ReadOnlySysctlError('net.ipv4.ip_forward', 'remount it'),
  DnsmasqError: new errors.DnsmasqError('a', 'no memory', 4),
  RemovalError: new errors.RemovalError('a', [new errors.KernelError(details)]),
  RollbackError: new errors.RollbackError([new Error('a')], 'b', { cause: 'c' }),
};

const ABSTRACT = ['VethworkError', 'CombinedError'];

describe('error classes', () => {
  test('are all exported from both entry points', () => {
    const names = Object.keys(errors);
    expect(names.toSorted()).toEqual([...Object.keys(samples), ...ABSTRACT].toSorted());
    for (const name of names) {
      expect(entry, name).toHaveProperty(name);
      expect(kernelEntry, name).toHaveProperty(name);
    }
  });

  test.each(Object.entries(samples))('%s has its name and a stable code', (name, error) => {
    expect(error).toBeInstanceOf(errors.VethworkError);
    expect(error.name).toBe(name);
    expect(error.toJSON()).toMatchObject({ name, code: error.code, message: error.message });
    if (error instanceof errors.KernelError) expect(error.code).toMatch(/^E[A-Z]+$/);
    else expect(error.code).toMatch(/^ERR_VETHWORK_[A-Z_]+$/);
  });

  test('list combined errors in JSON', () => {
    const { RemovalError, RollbackError } = samples;
    expect(RemovalError?.toJSON()).toMatchObject({ errors: [{ name: 'KernelError', code: 'EEXIST' }] });
    expect(RollbackError?.toJSON()).toMatchObject({ errors: [{ name: 'Error', message: 'a' }] });
    expect(RollbackError?.cause).toBe('c');
  });
});
