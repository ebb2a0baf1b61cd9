import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readdir, readFile, rename, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const PROJECT = fileURLToPath(new URL('../../', import.meta.url));
/** Output folder inside the package, so that imports are resolved. */
const CACHE = join(PROJECT, 'node_modules', '.cache', 'vethwork-test');

/**
 * Compiles `src` and a test script to JavaScript, for tests that start processes: Node.js 20 does not run TypeScript, and
 * vitest compiles only modules that it runs itself.
 * @param script path below the project, for example `test/integration/store/child.ts`
 * @param others test modules that the script imports
 * @returns path of the compiled script, and the folder to remove afterwards
 */
export async function compile(script: string, ...others: string[]): Promise<{ script: string; folder: string }> {
  await mkdir(CACHE, { recursive: true });
  const folder = await mkdtemp(join(CACHE, 'program-'));
  // node-gyp-build looks for the addon next to package.json, or in the folder of the variable <package name>_PREBUILD.
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

/** The cached output of a source file. The name of the file is a hash of its inputs. */
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
  // Other processes may write the same file.
  const draft = join(CACHE, `${name}.${process.pid}`);
  await writeFile(draft, outputText);
  await rename(draft, cached);
  return cached;
}
