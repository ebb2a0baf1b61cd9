import { readdirSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { expect, test } from 'vitest';

const SOURCES = fileURLToPath(new URL('../../../src/', import.meta.url));

/** Specifiers of all imports and exports of a file: type imports, `import('x').T` and dynamic imports are among them. */
function specifiers(path: string): string[] {
  const found: string[] = [];
  const visit = (node: ts.Node): void => {
    if ((ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) && node.moduleSpecifier !== undefined) {
      found.push((node.moduleSpecifier as ts.StringLiteral).text);
    } else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
      found.push((node.argument.literal as ts.StringLiteral).text);
    } else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      const [specifier] = node.arguments;
      if (specifier !== undefined && ts.isStringLiteral(specifier)) found.push(specifier.text);
    }
    ts.forEachChild(node, visit);
  };
  const text = ts.sys.readFile(path) ?? '';
  visit(ts.createSourceFile(path, text, ts.ScriptTarget.Latest));
  return found;
}

/** Relative paths of the modules of a folder, with those that each imports. */
function importGraph(folder: string): Map<string, string[]> {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));
  return new Map(
    files.map((file) => {
      const path = join(folder, file);
      const imported = specifiers(path)
        .filter((specifier) => specifier.startsWith('.'))
        .map((specifier) => relative(folder, resolve(path, '..', specifier)).replace(/\.js$/, '.ts'));
      return [file, imported];
    }),
  );
}

/** The first cycle that a depth-first search finds from each module, as `a.ts -> b.ts -> a.ts`. */
function cycles(graph: ReadonlyMap<string, readonly string[]>): string[] {
  const done = new Set<string>();
  const found: string[] = [];
  const visit = (file: string, path: string[]): void => {
    const start = path.indexOf(file);
    if (start >= 0) found.push([...path.slice(start), file].join(' -> '));
    if (start >= 0 || done.has(file)) return;
    for (const next of graph.get(file) ?? []) visit(next, [...path, file]);
    done.add(file);
  };
  for (const file of graph.keys()) visit(file, []);
  return found;
}

test('no modules import each other in a cycle, type imports included', () => {
  const graph = importGraph(SOURCES);
  // The graph has modules and edges: relative imports all lead to modules of src.
  expect(graph.get('kernel/open-kernel.ts')).toContain('kernel/native.ts');
  expect([...graph.values()].flat().filter((file) => !graph.has(file))).toEqual([]);
  expect(cycles(graph)).toEqual([]);
});

test('a cycle is found for any form of import', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'vethwork-cycles-'));
  try {
    await writeFile(join(folder, 'a.ts'), "import type { B } from './b.js';\nexport type A = B;\n");
    await writeFile(join(folder, 'b.ts'), "export type B = import('./c.js').C;\n");
    await writeFile(join(folder, 'c.ts'), "export type * from './d.js';\nexport interface C {}\n");
    await writeFile(join(folder, 'd.ts'), "export const load = () => import('./a.js');\n");
    await writeFile(join(folder, 'e.ts'), "import './a.js';\nimport './d.js';\n");
    expect(cycles(importGraph(folder))).toEqual(['a.ts -> b.ts -> c.ts -> d.ts -> a.ts']);
  } finally {
    await rm(folder, { recursive: true });
  }
});
