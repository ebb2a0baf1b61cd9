import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { buildProgram, run } from '../../../src/cli/program.js';

/** Runs a command line that needs no host. */
async function vethwork(...argv: string[]) {
  let stdout = '';
  let stderr = '';
  const code = await run(argv, {
    stdout: { write: (text: string) => (stdout += text) },
    stderr: { write: (text: string) => (stderr += text) },
  });
  return { code, stdout, stderr };
}

function leaves(command: Command, path: string[] = []): string[][] {
  return command.commands.length === 0
    ? [path]
    : command.commands.flatMap((inner) => leaves(inner, [...path, inner.name()]));
}

const commands = leaves(buildProgram({ stdout: process.stdout, stderr: process.stderr, exitCode: 0 }));

describe('help', () => {
  it('exists for every command', () => {
    expect(commands.map((path) => path.join(' '))).toEqual(expect.arrayContaining(['init', 'network create']));
    expect(commands.length).toBeGreaterThan(20);
  });

  it('documents exit codes and global options', async () => {
    const { code, stdout } = await vethwork('--help');
    expect(code).toBe(0);
    expect(stdout).toContain('Exit codes:');
    expect(stdout).toContain('VETHWORK_STATE_DIR');
  });

  it.each(commands.map((path) => [path.join(' '), path] as const))(
    'of %s has examples and --json',
    async (name, path) => {
      const { code, stdout, stderr } = await vethwork(...path, '--help');
      expect(code).toBe(0);
      expect(stderr).toBe('');
      expect(stdout).toContain(`Examples:\n  $ vethwork ${name}`);
      expect(stdout).toContain('--json');
    },
  );

  it('is printed as an error without a command', async () => {
    const { code, stderr } = await vethwork('network');
    expect(code).toBe(2);
    expect(stderr).toContain('Usage: vethwork network');
  });

  it('includes the version', async () => {
    expect((await vethwork('--version')).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });
});

describe('wrong usage', () => {
  let state: string;
  beforeEach(async () => {
    state = await mkdtemp(join(tmpdir(), 'vethwork-cli-'));
  });
  afterEach(async () => {
    await rm(state, { recursive: true });
  });

  it.each([
    ['an unknown command', ['netwrok'], 'netwrok'],
    ['an unknown option', ['network', 'list', '--colour'], '--colour'],
    ['a missing argument', ['network', 'create', 'demo'], 'netblock'],
    ['one argument too many', ['network', 'show', 'a', 'b'], 'too many arguments'],
    ['a number that is none', ['network', 'create', 'a', '10.0.0.0/24', '--vni', 'x'], '--vni'],
    ['metadata without a value', ['network', 'create', 'a', '10.0.0.0/24', '--metadata', 'x'], '--metadata'],
    ['no way to attach', ['interface', 'attach', 'demo'], 'exactly one of --tap, --netns and --device'],
    ['two ways to attach', ['interface', 'attach', 'demo', '--tap', 'a', '--device', 'b'], 'exactly one of'],
    ['a timeout that is none', ['network', 'ping', 'demo', '10.0.0.1', '--timeout', '0'], '--timeout'],
    ['demo flags that exclude each other', ['demo', '--keep', '--remove'], '--remove'],
    ['a host that was never set up', ['network', 'list'], '--egress-nic'],
  ])('%s: one line on stderr, exit code 2, no change', async (_, argv, mention) => {
    const { code, stdout, stderr } = await vethwork('--state-dir', state, ...argv);
    expect(stderr).toMatch(/^error: [^\n]+\n$/);
    expect(stderr).toContain(mention);
    expect(stdout).toBe('');
    expect(code).toBe(2);
    expect(await readdir(state)).toEqual([]);
  });

  it('is JSON on stderr with --json, at any position', async () => {
    for (const argv of [
      ['--json', 'network', 'list', '--colour'],
      ['network', 'list', '--colour', '--json'],
    ]) {
      const { code, stdout, stderr } = await vethwork(...argv);
      expect(code).toBe(2);
      expect(stdout).toBe('');
      expect(JSON.parse(stderr)).toMatchObject({
        error: { code: 'ERR_VETHWORK_USAGE', message: expect.stringContaining('--colour') },
      });
    }
  });

  it('keeps the fields of a typed error in JSON', async () => {
    const { code, stderr } = await vethwork('interface', 'attach', 'demo', '--json', '--device', 'a', '--name', 'b');
    expect(code).toBe(2);
    expect(JSON.parse(stderr)).toMatchObject({
      error: { name: 'ValidationError', code: 'ERR_VETHWORK_VALIDATION', field: '--name', value: 'b' },
    });
  });

  it('names a damaged host file', async () => {
    await writeFile(join(state, 'host.json'), '{"egressNic": ""}');
    const { code, stderr } = await vethwork('network', 'list', '--state-dir', state);
    expect(code).toBe(2);
    expect(stderr).toContain(join(state, 'host.json'));
  });
});
