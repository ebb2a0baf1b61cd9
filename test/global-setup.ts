import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';

/**
 * A program's lines. None if it ends with 1, as `nft` does without root and `pgrep` without a match; whatever else goes
 * wrong, a program that is missing above all, must not look like a clean machine.
 */
function lines(file: string, ...args: string[]): string[] {
  const { status, stdout, stderr, error } = spawnSync(file, args, { encoding: 'utf8' });
  if (error !== undefined || status === null || status > 1) {
    throw new Error(`${file} can't tell what the tests leave behind: ${error?.message ?? stderr}`);
  }
  return status === 0 ? stdout.split('\n').filter(Boolean) : [];
}

function entries(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

/** What a careless test leaves on the machine. */
function machine(): Map<string, Set<string>> {
  const links = JSON.parse(lines('ip', '-j', 'link').join('') || '[]') as { ifname: string }[];
  return new Map([
    ['interface', new Set(links.map((link) => link.ifname))],
    ['namespace', new Set(entries('/run/netns'))],
    ['runtime folder', new Set(entries('/run/vethwork'))],
    ['nft ruleset', new Set(lines('nft', 'list', 'ruleset'))],
    // Not those that have ended and wait for their parent.
    [
      'process',
      new Set(lines('pgrep', '-a', '-x', 'dnsmasq|udhcpc|tcpdump').filter((line) => !line.includes('<defunct>'))),
    ],
    ['temporary file', new Set(entries(tmpdir()).filter((name) => name.startsWith('vethwork')))],
  ]);
}

/**
 * Fails the run if the suites leave anything behind. Where other users of the machine are at work meanwhile,
 * `VETHWORK_TEST_LEFTOVERS=warn` only prints them.
 */
export default function setup(): () => void {
  const before = machine();
  return () => {
    const left: string[] = [];
    for (const [kind, now] of machine()) {
      for (const thing of now) if (!before.get(kind)?.has(thing)) left.push(`${kind} ${thing}`);
    }
    if (left.length === 0) return;
    const message = `the tests left something behind:\n  ${left.join('\n  ')}`;
    console.error(message);
    // vitest would only tell of an error that is thrown here.
    if (process.env.VETHWORK_TEST_LEFTOVERS !== 'warn') process.exitCode = 1;
  };
}
