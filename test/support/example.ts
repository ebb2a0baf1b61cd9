import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { connect, TestNamespace } from './namespaces.js';

export const PROJECT = fileURLToPath(new URL('../../', import.meta.url));

/** Start of a play: `/run` and the state folder end with it, and `vethwork` is the command line. */
const SETTING = `
set -e
mount --make-rprivate /
mount -t tmpfs none /run
mkdir -p /var/lib/vethwork
mount -t tmpfs none /var/lib/vethwork
cd "$FOLDER"
vethwork() { "$NODE" "$PROJECT/dist/cli/main.js" "$@"; }
`;

/**
 * A machine of its own for an example of the documentation: a namespace with an uplink `eth0` and nothing else, with
 * folders and processes that end with the play. The example imports the package by its name.
 */
export class ExampleMachine implements AsyncDisposable {
  private constructor(
    private readonly machine: TestNamespace,
    private readonly outside: TestNamespace,
    readonly folder: string,
  ) {}

  static async create(): Promise<ExampleMachine> {
    const machine = await TestNamespace.create('host');
    const outside = await TestNamespace.create('outside');
    await connect([machine, 'eth0'], [outside, 'eth0']);
    await machine.ip('address', 'add', '10.0.0.74/24', 'dev', 'eth0');
    const folder = await mkdtemp(join(tmpdir(), 'vethwork-example-'));
    await mkdir(join(folder, 'node_modules'));
    await symlink(PROJECT, join(folder, 'node_modules/vethwork'));
    return new ExampleMachine(machine, outside, folder);
  }

  /** Writes `example.mjs` from TypeScript. */
  async write(example: string): Promise<void> {
    const compilerOptions = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2023 };
    await writeFile(join(this.folder, 'example.mjs'), ts.transpileModule(example, { compilerOptions }).outputText);
  }

  /** Runs a shell script in the folder of the example. Its processes, including dnsmasq, end with it. */
  play(script: string, variables: readonly string[] = []) {
    const own = [`FOLDER=${this.folder}`, `PROJECT=${PROJECT}`, `NODE=${process.execPath}`];
    const apart = ['unshare', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc'];
    return this.machine.attempt('env', ...own, ...variables, ...apart, 'sh', '-c', SETTING + script);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const namespace of [this.machine, this.outside]) await namespace.remove();
    await rm(this.folder, { recursive: true });
  }
}
