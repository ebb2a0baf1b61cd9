import { mkdir, mkdtemp, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const PROJECT = fileURLToPath(new URL('../../', import.meta.url));
const COMPILER_OPTIONS: ts.CompilerOptions = {
  module: ts.ModuleKind.ESNext,
  target: ts.ScriptTarget.ES2023,
  verbatimModuleSyntax: true,
  inlineSourceMap: true,
};

/**
 * Translates `src` and a script beside the tests to JavaScript, for tests that need processes of their own: Node 20
 * does not know TypeScript, and vitest translates only what it runs itself.
 * @param script path below the project, for example `test/integration/store/child.ts`
 * @param others what it imports of the tests
 * @returns where the script is, and the folder to remove afterwards; below node_modules, so that imports are found
 */
export async function compile(script: string, ...others: string[]): Promise<{ script: string; folder: string }> {
  const cache = join(PROJECT, 'node_modules', '.cache');
  await mkdir(cache, { recursive: true });
  const folder = await mkdtemp(join(cache, 'vethwork-test-'));
  // The addon is looked for beside package.json, or where the variable says that has this name in front.
  await writeFile(join(folder, 'package.json'), '{"name":"vethwork","type":"module"}');
  await symlink(join(PROJECT, 'build'), join(folder, 'build'));
  const sources = await readdir(join(PROJECT, 'src'), { recursive: true });
  const files = sources.filter((file) => file.endsWith('.ts')).map((file) => join('src', file));
  await Promise.all([...files, script, ...others].map((file) => translate(file, folder)));
  return { script: output(script, folder), folder };
}

function output(file: string, folder: string): string {
  return join(folder, file.replace(/\.ts$/, '.js'));
}

async function translate(file: string, folder: string): Promise<void> {
  const source = await readFile(join(PROJECT, file), 'utf8');
  const { outputText } = ts.transpileModule(source, { fileName: file, compilerOptions: COMPILER_OPTIONS });
  const target = output(file, folder);
  await mkdir(dirname(target), { recursive: true });
  await writeFile(target, outputText);
}
