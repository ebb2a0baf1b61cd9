import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { Report } from '../../../src/demo/index.js';
import { checkRequirements } from '../../../src/demo/requirements.js';
import { MissingProgramError } from '../../../src/errors.js';
import { json, privileged, sh } from '../../support/namespaces.js';

/** The command as users have it; `npm test` has built it. */
const main = fileURLToPath(new URL('../../../dist/cli/main.js', import.meta.url));

interface Run {
  child: ChildProcess;
  result: Promise<{ code: number | null; stdout: string; stderr: string }>;
}

/** `vethwork demo …` as a process of its own. */
function startDemo(args: string[], prefix: string[] = []): Run {
  const [file, ...rest] = [...prefix, process.execPath, main, 'demo', ...args] as [string];
  const child = spawn(file, rest, { stdio: ['ignore', 'pipe', 'pipe'] });
  const exit = new Promise<number | null>((resolve) => child.once('close', resolve));
  const result = Promise.all([exit, text(child.stdout), text(child.stderr)]).then(([code, stdout, stderr]) => ({
    code,
    stdout,
    stderr,
  }));
  return { child, result };
}

/** What demos have made on this machine. */
function traces(): string[] {
  const mine = (name: string): boolean => name.startsWith('vethwork-demo-');
  return [...readdirSync('/run/netns').filter(mine), ...readdirSync(tmpdir()).filter(mine)].sort();
}

/** The machine's own links and their addresses. */
async function ownLinks(): Promise<Map<string, string>> {
  const links = await json<{ ifname: string; mtu: number; addr_info: { local: string }[] }[]>('ip', '-j', 'address');
  return new Map(links.map((link) => [link.ifname, [link.mtu, ...link.addr_info.map(({ local }) => local)].join()]));
}

function failures(report: Report): unknown[] {
  return report.checks.filter((check) => !check.passed);
}

describe.skipIf(!privileged)('vethwork demo', () => {
  it('runs the walk-through end to end, twice concurrently, and leaves nothing behind', async () => {
    const before = traces();
    const links = await ownLinks();
    const runs = await Promise.all([startDemo(['--json']).result, startDemo(['--json']).result]);
    const networks = runs.map(({ code, stdout, stderr }) => {
      expect(stderr).toBe('');
      const report = JSON.parse(stdout) as Report;
      expect(failures(report)).toEqual([]);
      expect(report).toMatchObject({ passed: true, leftovers: [] });
      expect(new Set(report.checks.map((check) => check.chapter)).size).toBe(8);
      expect(report.checks.length).toBeGreaterThan(60);
      expect(code).toBe(0);
      return report.network;
    });
    expect(new Set(networks).size).toBe(2);
    expect(networks.filter((uuid) => existsSync(`/run/netns/${uuid}`))).toEqual([]);
    expect(traces()).toEqual(before);
    const linksNow = await ownLinks();
    expect([...links].filter(([name, link]) => linksNow.get(name) !== link)).toEqual([]);
  });

  it('cleans up when it is terminated', async () => {
    const before = traces();
    const { child, result } = startDemo([]);
    await new Promise<void>((resolve) => {
      child.stdout?.on('data', (chunk) => {
        if (String(chunk).includes('One instance without')) {
          resolve();
        }
      });
    });
    child.kill('SIGTERM');
    const { code, stderr } = await result;
    expect({ code, stderr }).toEqual({ code: 143, stderr: 'error: interrupted\n' });
    expect(traces()).toEqual(before);
  });

  it('keeps all objects with --keep, and removes them with --remove', async () => {
    const kept = await startDemo(['--keep', '--json']).result;
    const report = JSON.parse(kept.stdout) as Report;
    expect(failures(report)).toEqual([]);
    expect(kept.code).toBe(0);
    const host = report.kept?.namespaces.host ?? '';
    expect(await sh('ip', '-n', host, 'address', 'show', 'egr-br-eth0')).toContain('192.168.15.1/24');
    expect(await sh('ip', 'netns', 'pids', report.network ?? '')).not.toBe('');

    const removed = await startDemo(['--remove', '--json']).result;
    expect(removed).toMatchObject({ code: 0, stderr: '' });
    expect((JSON.parse(removed.stdout) as { removed: string[] }).removed).toContain(report.kept?.folder);
    expect(existsSync(`/run/netns/${host}`) || existsSync(`/run/netns/${report.network}`)).toBe(false);
    expect(traces().filter((name) => report.kept?.folder.endsWith(name) || name.startsWith(host))).toEqual([]);
  });

  it('names the missing capability', async () => {
    const before = traces();
    const { code, stdout, stderr } = await startDemo([], ['setpriv', '--bounding-set=-sys_admin']).result;
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toBe('error: the demo (run it as root) needs the capability CAP_SYS_ADMIN\n');
    expect(traces()).toEqual(before);
  });

  it('names the missing package', async () => {
    const empty = await mkdtemp(join(tmpdir(), 'vethwork-test-'));
    try {
      const missing = checkRequirements(empty);
      await expect(missing).rejects.toThrow(MissingProgramError);
      await expect(missing).rejects.toMatchObject({ program: 'dnsmasq', debianPackage: 'dnsmasq-base' });
    } finally {
      await rm(empty, { recursive: true });
    }
  });
});
