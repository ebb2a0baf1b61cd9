/** Examples for the help of a command. */
export function examples(...commandLines: string[]): string {
  return ['', 'Examples:', ...commandLines.map((line) => `  $ vethwork ${line}`)].join('\n');
}
