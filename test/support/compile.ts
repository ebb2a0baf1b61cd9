import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readdir, readFile, rename, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const PROJECT = fileURLToPath(new URL('../../', import.meta.url));
/** Beside the package, so that imports are found. */
const CACHE = join(PROJECT, 'node_modules', '.cache', 'vethwork-test');

/**
 * Translates `src` and a script beside the tests to JavaScript, for tests that need processes of their own: Node 20
 * does not know TypeScript, and vitest translates only what it runs itself.
 * @param script path below the project, for example `test/integration/store/child.ts`
 * @param others what it imports of the tests
 * @returns where the script is, and the folder to remove afterwards
 */
export async function compile(script: string, ...others: string[]): Promise<{ script: string; folder: string }> {
  await mkdir(CACHE, { recursive: true });
  const folder = await mkdtemp(join(CACHE, 'program-'));
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
  const target = output(file, folder);
  await mkdir(dirname(target), { recursive: true });
  await copyFile(await translation(file), target);
}

/** The file with the translation of a source, which is made once: its name follows from what it is made of. */
async function translation(file: string): Promise<string> {
  const source = await readFile(join(PROJECT, file), 'utf8');
  const name = createHash('sha256').update(`${file}\n${source}`).digest('hex');
  const cached = join(CACHE, `${name}.js`);
  if (existsSync(cached)) return cached;
  const { default: ts } = await import('typescript');
  const { outputText } = ts.transpileModule(source, {
    fileName: file,
    compilerOptions: {
      module: ts.ModuleKind.ESNext,
      target: ts.ScriptTarget.ES2023,
      verbatimModuleSyntax: true,
      inlineSourceMap: true,
    },
  });
  // Others may be at the same.
  const draft = join(CACHE, `${name}.${process.pid}`);
  await writeFile(draft, outputText);
  await rename(draft, cached);
  return cached;
}
