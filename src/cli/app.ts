/** Environment of one run of the command line. Tests pass their own. */
export interface App {
  stdout: { write(text: string): unknown; isTTY?: boolean };
  stderr: { write(text: string): unknown; isTTY?: boolean };
  /** Exit code of the process. Commands set it if nothing was thrown but the result is negative. */
  exitCode: number;
}

/** Prints a result: the value as JSON with `--json`, otherwise the text. */
export function print(app: App, json: boolean, value: unknown, text: string): void {
  app.stdout.write(`${json ? JSON.stringify(value, null, 2) : text}\n`);
}
