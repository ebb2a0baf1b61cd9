import { readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';

/*
 * Looks in the sources of the tests for what lets a test pass although nothing was tested. What it can't see is whether a refusal
 * has a positive control: `attempt` and the helpers on top of it (test/support) reject if the program itself did not run.
 */

const PROJECT = fileURLToPath(new URL('../../../', import.meta.url));

interface Rule {
  what: string;
  /** In files whose names match; in all if absent. */
  files?: RegExp;
  /** Whether this node breaks the rule. */
  isBroken: (node: ts.Node, checker: ts.TypeChecker) => boolean;
}

/** `a.b(…)` as `b`, `f(…)` as `f`. */
function nameOfCall(node: ts.Node): string | undefined {
  if (!ts.isCallExpression(node)) return undefined;
  const { expression } = node;
  return ts.isPropertyAccessExpression(expression)
    ? expression.name.text
    : ts.isIdentifier(expression)
      ? expression.text
      : undefined;
}

const contains = (node: ts.Node, fits: (inner: ts.Node) => boolean): boolean =>
  fits(node) || (ts.forEachChild(node, (child) => contains(child, fits) || undefined) ?? false);

/** An assertion, a wait that fails if nothing comes, or a helper that is named for what it expects. */
const isAssertion = (node: ts.Node): boolean => /^(expect|eventually$|until$)/.test(nameOfCall(node) ?? '');

const TESTS = /^(test|it)$/;

/** The function of `test(name, …)`, `test.each(…)(name, …)`, `it.skipIf(…)(name, …)`. */
function testBody(node: ts.Node): ts.Node | undefined {
  if (!ts.isCallExpression(node)) return undefined;
  let callee: ts.Expression = node.expression;
  while (
    ts.isCallExpression(callee) ||
    ts.isPropertyAccessExpression(callee) ||
    ts.isTaggedTemplateExpression(callee)
  ) {
    callee = ts.isTaggedTemplateExpression(callee) ? callee.tag : callee.expression;
  }
  if (!ts.isIdentifier(callee) || !TESTS.test(callee.text)) return undefined;
  return node.arguments.find((argument) => ts.isArrowFunction(argument) || ts.isFunctionExpression(argument));
}

/** Whether a test asserts anything, itself or in a function of the same file that it calls. */
function asserts(body: ts.Node, checker: ts.TypeChecker, seen = new Set<ts.Node>()): boolean {
  if (seen.has(body)) return false;
  seen.add(body);
  return contains(body, (node) => {
    if (isAssertion(node)) return true;
    if (!ts.isCallExpression(node)) return false;
    const declaration = checker.getSymbolAtLocation(node.expression)?.valueDeclaration;
    return declaration?.getSourceFile() === body.getSourceFile() && asserts(declaration, checker, seen);
  });
}

/** `a.b(…).c(…)` as `c`, `b`, `a`. */
function namesOfChain(node: ts.Expression): string[] {
  if (ts.isCallExpression(node)) return namesOfChain(node.expression);
  if (ts.isPropertyAccessExpression(node)) return [node.name.text, ...namesOfChain(node.expression)];
  return ts.isIdentifier(node) ? [node.text] : [];
}

/** Calls that vitest declares as void: to ask the type checker for the type of each takes most of its time. */
function isKnownAsVoid(node: ts.Expression): boolean {
  const names = namesOfChain(node);
  const first = names.at(-1) ?? '';
  if (/^(test|it|describe|(before|after)(All|Each))$/.test(first)) return true;
  return first === 'expect' && !names.some((name) => /^(resolves|rejects|poll)$/.test(name));
}

const isPromise = (node: ts.Expression, checker: ts.TypeChecker) =>
  !isKnownAsVoid(node) && checker.getTypeAtLocation(node).getProperty('then') !== undefined;

/** `.catch(() => …)` with a function that takes no error, so that all errors are alike to it. */
function dropsError(node: ts.Node): boolean {
  if (nameOfCall(node) !== 'catch') return false;
  const [handler] = (node as ts.CallExpression).arguments;
  return handler !== undefined && ts.isArrowFunction(handler) && handler.parameters.length === 0;
}

const rules: Rule[] = [
  {
    what: 'a test that asserts nothing',
    isBroken: (node, checker) => {
      const body = testBody(node);
      return body !== undefined && !asserts(body, checker);
    },
  },
  {
    what: 'a promise that nobody waits for: write `await`, or `void` where that is meant',
    isBroken: (node, checker) =>
      ts.isExpressionStatement(node) &&
      !ts.isAwaitExpression(node.expression) &&
      !ts.isBinaryExpression(node.expression) &&
      isPromise(node.expression, checker),
  },
  {
    what: '`toThrow()` without saying what: any error passes, a TypeError of the test too',
    isBroken: (node) =>
      /^toThrow(Error)?$/.test(nameOfCall(node) ?? '') && (node as ts.CallExpression).arguments.length === 0,
  },
  {
    what: 'an exit code that is only not 0: say which, or what the program printed',
    isBroken: (node) =>
      nameOfCall(node) === 'toBe' && /\bexitCode\)*\s*(, [^)]*)?\)\s*\.not\s*\.toBe\(0\)$/.test(node.getText()),
  },
  {
    what: 'a `catch` that takes every error for an answer, a missing program too',
    files: /\.test\.ts$/,
    isBroken: (node) => dropsError(node) && !isHarmless(node),
  },
  {
    what: 'an assertion in a `catch` of a `try` that may succeed: use `rejects`, `toThrow`, or count both',
    files: /\.test\.ts$/,
    isBroken: (node) =>
      ts.isTryStatement(node) &&
      node.catchClause !== undefined &&
      contains(node.catchClause, isAssertion) &&
      !contains(node.tryBlock, (inner) => /^(expect|unreachable|fail)$/.test(nameOfCall(inner) ?? '')) &&
      !contains(node.catchClause, (inner) => ts.isIfStatement(inner)),
  },
  {
    what: 'a program that is asked by `execFile` or `spawnSync`: `sh` and `attempt` know a program that did not run',
    files: /\.test\.ts$/,
    isBroken: (node) =>
      /^(execFileSync|execSync|spawnSync|exec)$/.test(nameOfCall(node) ?? '') &&
      ts.isIdentifier((node as ts.CallExpression).expression),
  },
  {
    what: '`pgrep` without `processes`, which knows its errors from finding nothing',
    files: /^(?!.*support\/processes)/,
    isBroken: (node) =>
      /^(attempt|sh|run)$/.test(nameOfCall(node) ?? '') &&
      (node as ts.CallExpression).arguments.some((argument) => argument.getText() === "'pgrep'"),
  },
  {
    what: 'a skip for another reason than the privilege, which is seen to be missing',
    isBroken: (node) =>
      /^(skip|todo|runIf)$/.test(nameOfCall(node) ?? '') ||
      (nameOfCall(node) === 'skipIf' && (node as ts.CallExpression).arguments[0]?.getText() !== '!privileged'),
  },
  {
    what: 'a test that is not run: `.only`, `.skip`, `.todo`, `.fails`',
    isBroken: (node) =>
      ts.isPropertyAccessExpression(node) &&
      /^(only|skip|todo|fails)$/.test(node.name.text) &&
      /^(test|it|describe)\b/.test(node.expression.getText()),
  },
];

/** What is done after a test may fail, as is looked for afterwards; and what `eventually` tries again. */
function isHarmless(node: ts.Node): boolean {
  for (let at: ts.Node = node; at.parent !== undefined; at = at.parent) {
    if (ts.isCallExpression(at) && /^after(All|Each)$/.test(nameOfCall(at) ?? '')) return true;
    // What a probe meets, it may not meet the next time.
    if (ts.isCallExpression(at) && nameOfCall(at) === 'eventually') return true;
    if (ts.isTryStatement(at.parent) && at.parent.finallyBlock === at) return true;
  }
  return false;
}

/** What has been read once serves each program: declarations of the compiler's library and of Node.js, above all. */
const parsed = new Map<string, ts.SourceFile | undefined>();

function programOf(files: readonly string[], sources: ReadonlyMap<string, string> = new Map()): ts.Program {
  const options: ts.CompilerOptions = {
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    target: ts.ScriptTarget.ES2023,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    types: ['node'],
  };
  const host = ts.createCompilerHost(options);
  const { fileExists, readFile, getSourceFile } = host;
  host.fileExists = (file) => sources.has(file) || fileExists(file);
  host.readFile = (file) => sources.get(file) ?? readFile(file);
  host.getSourceFile = (file, version, ...rest) => {
    const text = sources.get(file);
    if (text !== undefined) return ts.createSourceFile(file, text, version, true);
    if (!parsed.has(file)) parsed.set(file, getSourceFile(file, version, ...rest));
    return parsed.get(file);
  };
  return ts.createProgram(files, options, host);
}

/** `file:line what` of each place in these files that breaks a rule. */
function findings(program: ts.Program, files: readonly string[]): string[] {
  const checker = program.getTypeChecker();
  return files.flatMap((file) => {
    const source = program.getSourceFile(file) as ts.SourceFile;
    const found: string[] = [];
    const look = (node: ts.Node): void => {
      for (const { what, files: only, isBroken } of rules) {
        if (only !== undefined && !only.test(file)) continue;
        if (!isBroken(node, checker)) continue;
        const { line } = source.getLineAndCharacterOfPosition(node.getStart(source));
        found.push(`${relative(PROJECT, file)}:${line + 1} ${what}`);
      }
      ts.forEachChild(node, look);
    };
    look(source);
    return found;
  });
}

describe('the sources of the tests', () => {
  it('have no construct that lets a test pass without a check', { timeout: 240_000 }, () => {
    const folder = join(PROJECT, 'test');
    const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      .map((file) => join(folder, file));
    expect(files.length).toBeGreaterThan(100);
    expect(findings(programOf(files), files)).toEqual([]);
  });

  it('each such construct is found in an example, and correct code is not', { timeout: 240_000 }, () => {
    const sources = new Map(
      examples.map(([, code], index) => [join(PROJECT, `test/unit/example${index}.test.ts`), HEAD + code]),
    );
    const program = programOf([...sources.keys()], sources);
    const counted = [...sources.keys()].map((file, index) => [findings(program, [file]).length, examples[index]?.[1]]);
    expect(counted).toEqual(examples);
  });
});

const HEAD = `import { expect, test } from 'vitest';
declare function work(): Promise<number | string>;
declare function attempt(...args: string[]): Promise<{ exitCode: number; stdout: string }>;
`;

/** How many findings there are in a piece of code. */
const examples: [count: number, code: string][] = [
  [1, `test('a', async () => { await work(); });`],
  [0, `test('a', async () => { expect(await work()).toBe(1); });`],
  [
    0,
    `const check = async () => { expect(await work()).toBe(1); }; test.each([1])('a', async () => { await check(); });`,
  ],
  [1, `test('a', async () => { expect(work()).rejects.toThrow('no'); });`],
  [1, `test('a', async () => { work(); expect(1).toBe(1); });`],
  [0, `test('a', async () => { void work(); expect(1).toBe(1); });`],
  [1, `test('a', async () => { await expect(work()).rejects.toThrow(); });`],
  [1, `test('a', async () => { expect((await attempt('dig')).exitCode).not.toBe(0); });`],
  [1, `test('a', async () => { expect((await attempt('dig')).exitCode, 'why').not.toBe(0); });`],
  [0, `test('a', async () => { expect((await attempt('dig')).exitCode).toBe(9); });`],
  [1, `test('a', async () => { expect(await work().catch(() => '')).toBe(''); });`],
  [0, `test('a', async () => { expect(await work().catch((error: unknown) => error)).toBe(''); });`],
  [1, `test('a', async () => { try { await work(); } catch (error) { expect(error).toBe(1); } });`],
  [
    0,
    `test('a', async () => { try { await work(); expect.unreachable(); } catch (error) { expect(error).toBe(1); } });`,
  ],
  [1, `test('a', async () => { expect((await attempt('pgrep', '-f', 'x')).stdout).toBe(''); });`],
  [1, `test.skipIf(process.env.HOME === '/')('a', () => { expect(1).toBe(1); });`],
  [1, `test.only('a', () => { expect(1).toBe(1); });`],
];
