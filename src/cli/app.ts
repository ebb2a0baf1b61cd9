/** What one run of the command line works with; tests pass their own. */
export interface App {
  stdout: { write(text: string): unknown; isTTY?: boolean };
  stderr: { write(text: string): unknown; isTTY?: boolean };
  /** What the process ends with; commands set it where nothing was thrown and still the answer is no. */
  exitCode: number;
}

/** Prints a result: the value itself with `--json`, else the text. */
export function print(app: App, json: boolean, value: unknown, text: string): void {
  app.stdout.write(`${json ? JSON.stringify(value, null, 2) : text}\n`);
}
