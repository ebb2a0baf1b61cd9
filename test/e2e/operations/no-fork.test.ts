import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compile } from '../../support/compile.js';
import { connect, privileged, sh, TestNamespace } from '../../support/namespaces.js';

/**
 * A call that begins a process, or its end where another process's calls came in between. What it returns to the process that
 * it has begun, 0, is sometimes seen as well.
 */
const FORK = /^(\d+) .*\b(?:fork|vfork|clone3?)\b.* = ([1-9]\d*)$/;
const EXECVE = /^(\d+) .*\bexecve(?:at)?\(.*?"([^"]+)"/;

interface Process {
  parent: string;
  pid: string;
}

/** The processes, not the threads, that strace saw begin. */
function processes(lines: readonly string[]): Process[] {
  // A call that strace prints in two parts has its flags only in the first part.
  const unfinished = new Map<string, string>();
  return lines.flatMap((line) => {
    const [caller = ''] = line.split(' ', 1);
    if (line.endsWith('<unfinished ...>')) {
      unfinished.set(caller, line);
      return [];
    }
    const whole = line.includes(' resumed>') ? `${unfinished.get(caller)}${line}` : line;
    const [, parent, pid] = FORK.exec(line) ?? [];
    return parent === undefined || pid === undefined || whole.includes('CLONE_THREAD') ? [] : [{ parent, pid }];
  });
}

describe.skipIf(!privileged)('system calls of the library, traced by strace', () => {
  let child: { script: string; folder: string };
  let scratch: string;

  beforeAll(async () => {
    child = await compile('test/e2e/operations/no-fork-child.ts');
    scratch = await mkdtemp(join(tmpdir(), 'vethwork-strace-'));
  });

  afterAll(async () => {
    await rm(child.folder, { recursive: true, force: true });
    await rm(scratch, { recursive: true, force: true });
  });

  it('start no process except dnsmasq', async () => {
    await using machine = await TestNamespace.create('host');
    await using container = await TestNamespace.create('container');
    await using outside = await TestNamespace.create('outside');
    await connect([machine, 'eth0'], [outside, 'eth0']);
    await machine.ip('address', 'add', '10.0.0.74/24', 'dev', 'eth0');

    const log = join(scratch, 'log');
    const calls = 'execve,execveat,fork,vfork,clone,clone3';
    const strace = ['-f', '-qq', '-e', `trace=${calls}`, '-e', 'signal=none', '-o', log];
    const script = [child.script, machine.name, container.name, join(scratch, 'state')];
    const output = await sh('strace', ...strace, process.execPath, ...script);
    expect(output).toMatch(/^192\.168\.15\.\d+\n$/);

    const lines = (await readFile(log, 'utf8')).split('\n').filter(Boolean);
    const executed = lines.flatMap((line) => {
      const [, pid, program] = EXECVE.exec(line) ?? [];
      return pid === undefined || program === undefined ? [] : [{ pid, program }];
    });
    expect(executed[0]?.program).toBe(process.execPath);
    expect(executed.length).toBeGreaterThan(1);
    for (const { program } of executed.slice(1)) expect(program).toMatch(/\/dnsmasq$/);

    // Every new process is dnsmasq, or a child of dnsmasq, which forks into the background.
    const dnsmasq = new Set(executed.slice(1).map(({ pid }) => pid));
    const begun = processes(lines);
    expect(begun.length).toBeGreaterThan(0);
    for (let size = -1; size !== dnsmasq.size; ) {
      size = dnsmasq.size;
      for (const { parent, pid } of begun) if (dnsmasq.has(parent)) dnsmasq.add(pid);
    }
    for (const { pid } of begun) expect(dnsmasq).toContain(pid);
  });
});
