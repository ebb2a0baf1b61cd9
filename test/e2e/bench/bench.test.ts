import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BenchReport } from '../../../src/bench/index.js';
import { eventually, json, privileged } from '../../support/namespaces.js';

/** The command as users have it; `npm test` has built it. */
const main = fileURLToPath(new URL('../../../dist/cli/main.js', import.meta.url));

/** `vethwork bench …` as a process of its own. */
function startBench(args: string[], prefix: string[] = []) {
  const [file, ...rest] = [...prefix, process.execPath, main, 'bench', ...args] as [string];
  const child: ChildProcess = spawn(file, rest, { stdio: ['ignore', 'pipe', 'pipe'] });
  const exit = new Promise<number | null>((resolve) => child.once('close', resolve));
  const out = child.stdout === null ? '' : text(child.stdout);
  const err = child.stderr === null ? '' : text(child.stderr);
  const result = Promise.all([exit, out, err]).then(([code, stdout, stderr]) => ({ code, stdout, stderr }));
  return { child, result };
}

/** Whether a benchmark has begun to measure, in a folder that was not there before. */
function isUnderWay(before: readonly string[]): boolean {
  return folders().some((name) => !before.includes(name) && existsSync(join('/var/tmp', name, 'state')));
}

const folders = (): string[] => readdirSync('/var/tmp').filter((name) => name.startsWith('vethwork'));

/** What a benchmark could have left on the machine. */
async function traces() {
  const links = await json<{ ifname: string }[]>('ip', '-j', 'link');
  return {
    links: links.map(({ ifname }) => ifname).filter((name) => /^(br0|port|keep|egr-|br-vxlan|vxlan-)/.test(name)),
    namespaces: readdirSync('/run/netns').filter((name) =>
      /^(c\d+|outside|population|(sandbox|copy-|plain-|traffic-).*)$/.test(name),
    ),
    folders: folders(),
    processes: readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && commandOf(pid).includes('bench/inner.js')),
  };
}

function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return ''; // ended meanwhile
  }
}

describe.skipIf(!privileged)('vethwork bench', () => {
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'vethwork-bench-test-'));
  });

  afterAll(() => rm(folder, { recursive: true }));

  it('verifies the results of the contenders, prints a report, and leaves nothing behind', async () => {
    const before = await traces();
    const file = join(folder, 'report.json');
    const plots = join(folder, 'plots');
    const args = ['--quick', '--scenario', 'attach', '--runs', '1', '--json', file, '--svg', plots];
    const { code, stdout, stderr } = await startBench(args).result;
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });

    const report = JSON.parse(await readFile(file, 'utf8')) as BenchReport;
    expect(report).toMatchObject({ runs: 1, quick: true, machine: { node: process.version } });
    const measured = report.peers.filter(({ missing }) => missing === undefined).map(({ name }) => name);
    // Contenders in the package, and tools that the tests need.
    expect(measured).toEqual(expect.arrayContaining(['model', 'model-without-dhcp', 'kernel', 'walkthrough', 'shell']));
    for (const { missing } of report.peers) expect(missing ?? 'missing: ').toMatch(/^missing: /);

    const [scenario, ...others] = report.scenarios;
    expect(others).toEqual([]);
    expect(scenario?.cases.map(({ name }) => name)).toEqual(['tap-1', 'veth-1', 'veth-4', 'veth-1-traffic']);
    const compared = scenario?.cases.at(-1)?.contenders ?? [];
    expect(compared.map(({ peer }) => peer)).toEqual(expect.arrayContaining(['model', 'model-without-dhcp']));
    expect(scenario?.facts.map(({ unit }) => unit)).toEqual(compared.map(() => 'x'));
    for (const { name, contenders } of scenario?.cases.slice(0, -1) ?? []) {
      expect(contenders.filter(({ failed }) => failed !== undefined)).toEqual([]);
      if (name !== 'tap-1') expect(contenders.map(({ peer }) => peer)).toEqual(measured);
      for (const { figures } of contenders) {
        expect(Object.keys(figures)).toEqual(['attach', 'detach', 'gone']);
        for (const { runs, min, median, max } of Object.values(figures)) {
          expect(runs).toBe(1);
          expect([min, median, max].toSorted((a, b) => a - b)).toEqual([min, median, max]);
          expect(min).toBeGreaterThan(0);
        }
        expect(figures.gone?.median).toBeGreaterThanOrEqual(figures.detach?.median as number);
      }
    }
    expect(stdout).toMatch(/^4 veths at once: gone$/m);
    expect(await readFile(join(plots, 'veth-1-attach.svg'), 'utf8')).toMatch(/^<svg /);
    expect(await traces()).toEqual(before);
  }, 400_000);

  it('compares attaches with and without anti-spoofing in pairs', async () => {
    const before = await traces();
    const file = join(folder, 'guard.json');
    const args = ['--quick', '--scenario', 'guard', '--peer', 'model', '--json', file];
    const { code, stderr } = await startBench(args).result;
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const { scenarios } = JSON.parse(await readFile(file, 'utf8')) as BenchReport;
    const facts = scenarios.flatMap((scenario) => scenario.facts);
    expect(facts.map(({ name }) => name)).toEqual(
      ['container', 'tap'].flatMap((kind) => [
        `${kind} with anti-spoofing, median`,
        `${kind} without anti-spoofing, median`,
        ...['median', 'lower quartile', 'upper quartile'].map((what) => `${kind}: ratio of a pair, ${what}`),
      ]),
    );
    for (const { value } of facts) expect(value).toBeGreaterThan(0);
    expect(await traces()).toEqual(before);
  });

  it('measures sandboxes, the data path, and many networks at once', async () => {
    const before = await traces();
    const file = join(folder, 'more.json');
    const scenarios = ['sandbox', 'traffic', 'network', 'float'].flatMap((name) => ['--scenario', name]);
    const { code, stderr } = await startBench([
      '--quick',
      '--runs',
      '1',
      ...scenarios,
      '--peer',
      'model',
      '--json',
      file,
    ]).result;
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const report = JSON.parse(await readFile(file, 'utf8')) as BenchReport;
    const cases = report.scenarios.flatMap((scenario) => scenario.cases);
    expect(cases.flatMap(({ contenders }) => contenders).filter(({ failed }) => failed !== undefined)).toEqual([]);
    const figures = cases.flatMap(({ name, contenders }) =>
      contenders.map((each) => [name, ...Object.keys(each.figures)].join(' ')),
    );
    expect(figures).toEqual([
      'network-dhcp create delete gone',
      'network-dhcp-4 create delete gone',
      'float-1 float defloat gone',
      'float-20 float defloat gone',
      'sandbox create namespace attach request detach delete namespace life',
    ]);
    const facts = new Map(report.scenarios.flatMap((each) => each.facts).map(({ name, value }) => [name, value]));
    const paths = ['traffic between guarded ports', 'traffic through NAT', 'traffic to a floating address'];
    for (const name of [
      'lives, vethwork',
      ...paths.flatMap((path) => [`${path}, TCP, vethwork`, `${path}, UDP, vethwork / hand-built copy`]),
      'traffic through NAT, UDP, plain NAT',
    ]) {
      expect([name, facts.get(name)]).toEqual([name, expect.any(Number)]);
      expect(facts.get(name)).toBeGreaterThan(0);
    }
    expect(await traces()).toEqual(before);
  }, 400_000);

  it('leaves no process behind when it is killed', async () => {
    const before = await traces();
    const { child, result } = startBench(['--quick', '--scenario', 'churn', '--peer', 'model']);
    await eventually(() => isUnderWay(before.folders));
    child.kill('SIGKILL');
    await result;
    await eventually(async () => JSON.stringify(await traces()) === JSON.stringify(before));
  });

  it('leaves nothing behind when it is interrupted', async () => {
    const before = await traces();
    const { child, result } = startBench(['--quick', '--scenario', 'churn', '--peer', 'model', '--peer', 'shell']);
    await eventually(() => isUnderWay(before.folders));
    child.kill('SIGINT');
    const { code, stdout, stderr } = await result;
    expect({ code, stdout, stderr }).toEqual({ code: 130, stdout: '', stderr: 'error: interrupted\n' });
    expect(await traces()).toEqual(before);
  });

  it('rejects unknown arguments before it starts', async () => {
    for (const [args, named] of [
      [['--scenario', 'nonsense'], /scenario.*attach/],
      [['--peer', 'nonsense'], /peer.*walkthrough/],
      [['--runs', '0'], /runs/],
      [['--runs', 'ten'], /runs/],
      [['--budget', '0'], /budget/],
      [['report.json'], /--json/],
    ] as const) {
      const { code, stdout, stderr } = await startBench([...args]).result;
      expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
      expect(stderr).toMatch(named);
    }
  });

  it('lists scenarios and contenders in its help', async () => {
    const help = (await startBench(['--help']).result).stdout;
    for (const option of ['--scenario', '--peer']) {
      const { stderr } = await startBench([option, 'nonsense']).result;
      const all = /one of (.+), got /.exec(stderr)?.[1];
      expect(all).toMatch(/, /);
      expect(help).toContain(`  ${all}\n`);
    }
  });

  it('names the missing privilege', async () => {
    const { code, stdout, stderr } = await startBench(['--quick'], ['setpriv', '--bounding-set=-sys_admin']).result;
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toBe('error: the benchmark (run it as root) needs the capability CAP_SYS_ADMIN\n');
  });
});
