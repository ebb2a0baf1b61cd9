import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';

const PROJECT = fileURLToPath(new URL('../../../', import.meta.url));

const pages = [
  'README.md',
  ...readdirSync(join(PROJECT, 'docs'))
    .filter((file) => file.endsWith('.md'))
    .map((file) => `docs/${file}`),
];

/** The examples of a page, as modules beside it. */
function examples(page: string): Map<string, string> {
  const blocks = readFileSync(join(PROJECT, page), 'utf8').matchAll(/^```ts\n(.*?)^```/gms);
  return new Map(
    [...blocks].map(([, code = ''], position) => [join(PROJECT, `${page}.${position}.ts`), `${code}export {};\n`]),
  );
}

/** What the compiler says of the examples, with the package's own name leading to its sources. */
function problems(sources: Map<string, string>): string[] {
  const options: ts.CompilerOptions = {
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    target: ts.ScriptTarget.ES2023,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    types: ['node'],
    paths: { vethwork: [join(PROJECT, 'src/index.ts')], 'vethwork/kernel': [join(PROJECT, 'src/kernel/index.ts')] },
  };
  const host = ts.createCompilerHost(options);
  const { fileExists, readFile, getSourceFile } = host;
  host.fileExists = (file) => sources.has(file) || fileExists(file);
  host.readFile = (file) => sources.get(file) ?? readFile(file);
  host.getSourceFile = (file, version, ...rest) => {
    const text = sources.get(file);
    return text === undefined ? getSourceFile(file, version, ...rest) : ts.createSourceFile(file, text, version);
  };
  const program = ts.createProgram([...sources.keys()], options, host);
  const files = [...sources.keys()].map((file) => program.getSourceFile(file));
  const diagnostics = files.flatMap((file) => [
    ...program.getSyntacticDiagnostics(file),
    ...program.getSemanticDiagnostics(file),
  ]);
  return diagnostics.map(({ file, start, messageText }) => {
    const line = file && start !== undefined ? file.getLineAndCharacterOfPosition(start).line + 1 : 0;
    return `${file ? relative(PROJECT, file.fileName) : ''}:${line} ${ts.flattenDiagnosticMessageText(messageText, '\n')}`;
  });
}

describe('the examples in the documentation', () => {
  it('compile', { timeout: 120_000 }, () => {
    expect(problems(new Map(pages.flatMap((page) => [...examples(page)])))).toEqual([]);
  });

  it('are there', () => {
    expect(examples('README.md').size).toBeGreaterThan(0);
    expect(examples('docs/kernel.md').size).toBeGreaterThanOrEqual(6);
  });
});
