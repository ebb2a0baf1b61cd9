import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { describe, expect, test } from 'vitest';

/** A source of src/kernel, parsed. */
function parse(name: string): ts.SourceFile {
  const path = fileURLToPath(new URL(`../../../src/kernel/${name}`, import.meta.url));
  return ts.createSourceFile(path, ts.sys.readFile(path) ?? '', ts.ScriptTarget.Latest, true);
}

/** Text of the comments before a node. */
function commentOf(source: ts.SourceFile, node: ts.Node): string {
  const ranges = ts.getLeadingCommentRanges(source.text, node.getFullStart()) ?? [];
  const texts = ranges.map(({ pos, end }) => source.text.slice(pos, end));
  return texts.join(' ').replaceAll(/[\s*]+/g, ' ');
}

const COMMAND = /Like `(ip|bridge|nft|iptables|tc|conntrack|sysctl|ethtool|ping|ss) ?/;

/** Names of operations with their comments. */
function operations(): [string, string][] {
  const source = parse('operation.ts');
  const declaration = source.statements.find(
    (node): node is ts.TypeAliasDeclaration => ts.isTypeAliasDeclaration(node) && node.name.text === 'Operation',
  );
  const union = declaration?.type as ts.UnionTypeNode;
  // The comment of a member is before its `|`.
  let before = union.pos;
  return union.types.map((member) => {
    const name = /op: '([^']+)'/.exec(member.getText())?.[1] ?? '';
    const text = source.text.slice(before, member.getStart()).replaceAll(/[\s*]+/g, ' ');
    before = member.end;
    return [name, text];
  });
}

/** Names of queries with their comments. */
function queries(): [string, string][] {
  const source = parse('query.ts');
  const declaration = source.statements.find(
    (node): node is ts.InterfaceDeclaration => ts.isInterfaceDeclaration(node) && node.name.text === 'Queries',
  );
  return (declaration?.members ?? []).map((member) => [member.name?.getText() ?? '', commentOf(source, member)]);
}

/** Exported constants of a builder module with their comments. */
function builders(name: string): [string, string][] {
  const source = parse(`nftables/${name}.ts`);
  return source.statements.filter(ts.isVariableStatement).flatMap((statement): [string, string][] => {
    const isExported = statement.modifiers?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword);
    const [declaration] = statement.declarationList.declarations;
    return isExported && declaration !== undefined
      ? [[`${name}.${declaration.name.getText()}`, commentOf(source, statement)]]
      : [];
  });
}

describe('the comments of src/kernel name the equivalent command', () => {
  test('operations', () => {
    const all = operations();
    expect(all.length).toBeGreaterThan(20);
    expect(all.filter(([name, text]) => !(text.includes(`${name}: `) && COMMAND.test(text)))).toEqual([]);
  });

  test('queries', () => {
    const all = queries();
    expect(all.length).toBeGreaterThan(10);
    expect(all.filter(([, text]) => !COMMAND.test(text))).toEqual([]);
  });

  test('builders of matches, keys and statements name the nft text', () => {
    const all = ['match', 'key', 'statement'].flatMap(builders);
    expect(all.length).toBeGreaterThan(40);
    expect(all.filter(([, text]) => !/Like `[^`]+`/.test(text))).toEqual([]);
  });
});
