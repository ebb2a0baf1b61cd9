import type { Finding } from '../doctor/finding.js';

/** Formats findings, errors first, each with its remedy. */
export function formatFindings(findings: readonly Finding[]): string {
  if (findings.length === 0) return 'nothing found';
  const order = ['error', 'warning', 'note'];
  return [...findings]
    .sort((left, right) => order.indexOf(left.severity) - order.indexOf(right.severity))
    .map(({ severity, problem, remedy }) => `${severity}: ${problem}\n    remedy: ${remedy}`)
    .join('\n');
}
