import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { expect, test } from 'vitest';

const SOURCES = fileURLToPath(new URL('../../../src/', import.meta.url));

/** Modules that are loaded together with a file: its imports and exports, without types and dynamic imports. */
function loaded(file: string): string[] {
  const { statements } = ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.Latest);
  return statements.flatMap((statement) => {
    if (ts.isImportDeclaration(statement)) {
      const { importClause } = statement;
      const names = importClause?.namedBindings;
      const areTypes =
        names !== undefined && ts.isNamedImports(names) && names.elements.every(({ isTypeOnly }) => isTypeOnly);
      if (importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword || (areTypes && importClause?.name === undefined)) {
        return [];
      }
      return [(statement.moduleSpecifier as ts.StringLiteral).text];
    }
    if (!ts.isExportDeclaration(statement) || statement.isTypeOnly || statement.moduleSpecifier === undefined)
      return [];
    return [(statement.moduleSpecifier as ts.StringLiteral).text];
  });
}

/** Packages that are loaded with a file, directly or not. */
function packagesOf(entry: string): Set<string> {
  const packages = new Set<string>();
  const seen = new Set<string>();
  const visit = (file: string): void => {
    if (seen.has(file)) return;
    seen.add(file);
    for (const specifier of loaded(file)) {
      if (specifier.startsWith('.')) visit(resolve(file, '..', specifier).replace(/\.js$/, '.ts'));
      else if (!specifier.startsWith('node:')) packages.add(specifier);
    }
  };
  visit(resolve(SOURCES, entry));
  return packages;
}

test('the command line loads no package but its parser before a command runs', () => {
  expect([...packagesOf('cli/main.ts')]).toEqual(['commander']);
  // Positive control: the library needs more.
  expect([...packagesOf('index.ts')]).toEqual(expect.arrayContaining(['zod', 'ipaddr.js']));
});
