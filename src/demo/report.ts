import { table } from '../format/table.js';

/** Result of one check. */
export interface Check {
  chapter: string;
  name: string;
  passed: boolean;
  /** Details, for example the actual value of a failed check. */
  detail?: string;
}

/** What `vethwork demo --json` prints. */
export interface Report {
  passed: boolean;
  /** UUID of the network, which is also the name of its namespace; absent before it is created. */
  network?: string;
  checks: Check[];
  /** The first failed check, as `chapter: check`. */
  failed?: string;
  /** Descriptions of objects that could not be removed at the end. */
  leftovers: string[];
  /** With `--keep`: the folder, and the namespaces by the machine that each represents. */
  kept?: { folder: string; namespaces: Record<string, string> };
}

export function summarise(checks: Check[], leftovers: string[]): Report {
  const first = checks.find((check) => !check.passed);
  return {
    passed: first === undefined && leftovers.length === 0,
    checks,
    ...(first && { failed: `${first.chapter}: ${first.name}` }),
    leftovers,
  };
}

/** The final table and the result. */
export function formatReport(report: Report): string {
  const rows = report.checks.map(({ chapter, name, passed, detail = '' }, index) => [
    report.checks[index - 1]?.chapter === chapter ? '' : chapter,
    name,
    passed ? 'ok' : 'FAILED',
    passed ? '' : detail,
  ]);
  const count = report.checks.filter((check) => check.passed).length;
  const lines = [
    table(['CHAPTER', 'CHECKED', 'RESULT', ''], rows),
    '',
    `${count} of ${report.checks.length} checks passed.`,
  ];
  if (report.failed !== undefined) {
    lines.push(`Failed at ${report.failed}.`);
  }
  lines.push(...report.leftovers.map((leftover) => `Could not be removed: ${leftover}`));
  return lines.join('\n');
}

/** Wraps a paragraph into lines. */
export function wrap(text: string, width = 100): string {
  const lines: string[] = [];
  for (const word of text.trim().split(/\s+/)) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width) {
      lines[lines.length - 1] = `${last} ${word}`;
    } else {
      lines.push(word);
    }
  }
  return lines.join('\n');
}
