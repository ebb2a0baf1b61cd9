import { describe, expect, it } from 'vitest';
import { runtimePaths } from '../../../src/dnsmasq/index.js';
import { ValidationError } from '../../../src/errors.js';

const network = '17be6538-8f96-4ccb-b71e-a7e3022fead3';

describe('the runtime folder', () => {
  it('of a network is inside that of the host, with these files', () => {
    const root = '/run/vethwork/0123456789ab';
    const folder = `${root}/${network}`;
    expect(runtimePaths(root, network)).toEqual({
      ...{ root, folder, lock: `${folder}.lock`, dhcpHosts: `${folder}/dhcp-hosts`, names: `${folder}/names` },
      ...{ leases: `${folder}/leases`, log: `${folder}/log`, pid: `${folder}/pid` },
    });
  });

  it.each(['relative', '/run/a b', '/run/a\nuser=root', '/run/a,b', '/run/#'])('rejects %j', (root) => {
    expect(() => runtimePaths(root, network)).toThrow(ValidationError);
  });
});
