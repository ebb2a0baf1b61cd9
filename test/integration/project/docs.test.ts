import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { dataFiles, summary } from '../../../scripts/lib/figures.mjs';

const PROJECT = fileURLToPath(new URL('../../../', import.meta.url));

const pages = [
  'README.md',
  'CHANGELOG.md',
  'SECURITY.md',
  ...readdirSync(join(PROJECT, 'docs'))
    .filter((file) => file.endsWith('.md'))
    .map((file) => `docs/${file}`),
];

const read = (page: string) => readFileSync(join(PROJECT, page), 'utf8');

/** The headings of a page, as GitHub names them in links. */
const anchors = (page: string): string[] =>
  [...read(page).matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );

/** Links of a page to files of the project that do not exist, and to headings that the other page does not have. */
function brokenLinks(page: string): string[] {
  const links = [...read(page).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target);
  return links.filter((link) => {
    if (/^https?:/.test(link)) return false;
    const [file, anchor] = link.split('#');
    const path = file === '' ? page : relative(PROJECT, join(PROJECT, dirname(page), file ?? ''));
    return !existsSync(join(PROJECT, path)) || (anchor !== undefined && !anchors(path).includes(anchor));
  });
}

/** Files of the project, npm scripts and tests in quotes after a file that a page names and that do not exist. */
function missingNames(page: string): string[] {
  const text = read(page);
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
  const files = [...text.matchAll(/`((?:test|src|scripts|systemd|native)\/[\w./-]*\w)`/g)].map(([, file = '']) => file);
  const commands = [...text.matchAll(/npm run ([a-z:]+)/g)].map(([, name = '']) => name);
  const titles = [...text.matchAll(/`(test\/[\w./-]+\.ts)`, "([^"]+)"/g)];
  return [
    ...files.filter((file) => !existsSync(join(PROJECT, file))),
    ...commands.filter((name) => !(name in scripts)).map((name) => `npm run ${name}`),
    ...titles
      .filter(([, file = '', title = '']) => existsSync(join(PROJECT, file)) && !read(file).includes(title))
      .map(([, file, title]) => `${file}: ${title}`),
  ];
}

/** The examples of a page, as modules beside it. */
function examples(page: string): Map<string, string> {
  const blocks = read(page).matchAll(/^```ts\n(.*?)^```/gms);
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
    const programs = readdirSync(join(PROJECT, 'examples')).map((name) => join('examples', name));
    expect(programs.length).toBeGreaterThan(0);
    const sources = programs.map((file) => [join(PROJECT, file), read(file)] as const);
    expect(problems(new Map([...pages.flatMap((page) => [...examples(page)]), ...sources]))).toEqual([]);
  });

  it('exist', () => {
    expect(examples('README.md').size).toBeGreaterThan(0);
    expect(examples('docs/kernel.md').size).toBeGreaterThanOrEqual(6);
  });
});

describe('the pages of the documentation', () => {
  it.each(pages)('%s has no broken links', (page) => {
    expect(brokenLinks(page)).toEqual([]);
  });

  it.each(pages)('%s names existing files, tests and commands', (page) => {
    expect(missingNames(page)).toEqual([]);
  });

  it('list every operation and query of the kernel layer', () => {
    const names = (file: string, name: RegExp) => [...read(file).matchAll(name)].map(([, each = '']) => each);
    const operations = names('src/kernel/operation.ts', /\bop: '([a-z.]+)'/g);
    const queries = names('src/kernel/query.ts', /^ {2}'([a-z.]+)': \{ parameters/gm);
    expect(operations.length).toBeGreaterThan(20);
    expect(queries.length).toBeGreaterThan(10);
    const page = read('docs/kernel.md');
    expect([...operations, ...queries].filter((name) => !page.includes(`\`${name}\``))).toEqual([]);
  });

  it('show the figures of the report', () => {
    const report = JSON.parse(read('docs/bench/report.json')) as Parameters<typeof summary>[0];
    const shown = (page: string) => /<!-- figures -->\n(.*)\n<!-- end of figures -->/s.exec(read(page))?.[1];
    expect(shown('README.md')).toBe(summary(report, { headlines: true }));
    expect(shown('docs/performance.md')).toBe(summary(report));
    for (const [name, text] of dataFiles(report)) expect(read(`docs/bench/${name}`)).toBe(text);
  });
});
