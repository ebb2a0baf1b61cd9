import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ExampleMachine, PROJECT } from '../../support/example.js';
import { privileged } from '../../support/namespaces.js';

/** After so many beginnings of transactions, commits and programs the example is killed. */
const DEATHS = [2, 9, 20];

/** Loaded before the example. */
const KILLER = `
import { subscribe } from 'node:diagnostics_channel';
let left = Number(process.env.DEATH);
for (const name of ['kernel', 'process', 'store']) {
  subscribe('tracing:vethwork:' + name + ':start', () => --left === 0 && process.kill(process.pid, 'SIGKILL'));
}
`;

/**
 * What is done on a machine of its own: a namespace with an uplink and nothing else, with folders and processes that end with it.
 * The example runs twice; all is taken away, with the command; then it is killed now and then, and run to its end.
 */
const PLAY = `
look() {
  echo "== $1"
  vethwork network list --json | tr -d '\\n'; echo
  vethwork interface list --json | tr -d '\\n'; echo
  ip -n c1 -o -4 address show eth0
  ip -o link | grep -c 'vnet0\\|br-vxlan-'
}
"$NODE" example.mjs; look first
"$NODE" example.mjs; look second
vethwork network delete demo
vethwork teardown --egress-nic eth0 --floating-network 192.168.15.0/24
ip netns delete c1
for death in $DEATHS; do
  if DEATH=$death "$NODE" --import ./killer.mjs example.mjs; then exit 9; fi
  echo "== killed"
done
"$NODE" example.mjs; look third
`;

describe.skipIf(!privileged)('the example in README.md', () => {
  let machine: ExampleMachine;

  beforeAll(async () => {
    machine = await ExampleMachine.create();
  });
  afterAll(() => machine?.[Symbol.asyncDispose]());

  it('runs as printed, a second time, and after it was killed', async () => {
    const readme = await readFile(join(PROJECT, 'README.md'), 'utf8');
    const [, example = ''] = /^## Use it\n.*?^```ts\n(.*?)^```/ms.exec(readme) ?? [];
    expect(example).toContain("from 'vethwork'");
    await machine.write(example);
    await writeFile(join(machine.folder, 'killer.mjs'), KILLER);
    const variables = [
      `DEATHS=${DEATHS.join(' ')}`,
      ...['VETHWORK_EGRESS_NIC=eth0', 'VETHWORK_FLOATING_NETWORK=192.168.15.0/24'],
    ];
    const { exitCode, stdout, stderr } = await machine.play(PLAY, variables);
    expect({ exitCode, stderr }, `${stdout}${stderr}`).toEqual({
      exitCode: 0,
      stderr: expect.not.stringMatching(/[Ee]rror/),
    });

    const parts = stdout.split(/^== /m);
    const looks = parts.filter((part) => /^(first|second|third)\n/.test(part)).map((part) => part.split('\n'));
    expect(parts.filter((part) => part.startsWith('killed'))).toHaveLength(DEATHS.length);
    const said = parts.map((part) => part.match(/^(172\.16\.0\.\d+)\n(192\.168\.15\.\d+)$/m)?.slice(1));
    // The third run, after the last kill, prints what it has created.
    expect(said.filter((each) => each !== undefined)).toHaveLength(3);
    expect(said[0]).toEqual(said[1]);
    const [first, second, third] = looks.map(([, networks = '', nics = '', address, links]) => ({
      networks: JSON.parse(networks) as { uuid: string; name: string }[],
      nics: JSON.parse(nics) as { uuid: string; device: string; address: string; floating?: string }[],
      address,
      links,
    }));
    expect(second).toEqual(first);
    for (const look of [first, third]) {
      expect(look?.networks.map(({ name }) => name)).toEqual(['demo']);
      expect(look?.nics).toHaveLength(2);
      expect(look?.nics.filter(({ floating }) => floating !== undefined).map(({ device }) => device)).toEqual([
        'vnet0',
      ]);
      const eth0 = look?.nics.find(({ device }) => device !== 'vnet0');
      expect(look?.address).toContain(`${eth0?.address}/24`);
    }
    expect(third?.links).toBe(first?.links);
  });
});
