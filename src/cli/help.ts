/** The examples under a command's help. */
export function examples(...commandLines: string[]): string {
  return ['', 'Examples:', ...commandLines.map((line) => `  $ vethwork ${line}`)].join('\n');
}
