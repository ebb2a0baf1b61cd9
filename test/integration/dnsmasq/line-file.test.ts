import { spawn } from 'node:child_process';
import { appendFile, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LineFile } from '../../../src/dnsmasq/line-file.js';
import { compile } from '../../support/compile.js';
import { patience } from '../../support/patience.js';

describe('a file of lines', () => {
  let folder: string;
  let target: string;
  let file: LineFile;
  const none = { reader: undefined, isStale: () => true };
  const text = () => readFile(target, 'utf8');

  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'vethwork-lines-'));
    target = path.join(folder, 'lines');
    file = new LineFile(target);
  });
  afterEach(() => rm(folder, { recursive: true }));

  it('gets a line at its end, and loses the lines that begin with a text', async () => {
    file.replace(['a,1', 'b,2'], none);
    expect(file.add('c,3')).toBe(true);
    expect(await text()).toBe('a,1\nb,2\nc,3\n');
    expect(file.remove('b,')).toBe(true);
    expect(file.remove('2')).toBe(true);
    expect(await text()).toBe('a,1\n#,2\nc,3\n');
    expect(file.lines()).toEqual(new Set(['a,1', 'c,3']));
    expect(file.has(['c,3', 'a,1'])).toBe(true);
    expect(file.has(['a,1'])).toBe(false);
  });

  it('gets several changes in their order', async () => {
    file.replace(['a,1', 'b,2'], none);
    const changes = [
      { remove: 'a,' },
      { add: 'a,9' },
      { add: 'c,3' },
      { remove: 'c,' },
      { remove: 'b,' },
      { add: 'd,4' },
    ];
    expect(file.change(changes)).toBe(true);
    expect(file.lines()).toEqual(new Set(['a,9', 'd,4']));
    expect(await text()).toBe('#,1\n#,2\na,9\n#,3\nd,4\n');
    await rm(target);
    expect(file.change(changes)).toBe(false);
  });

  it('is not created by a line', async () => {
    expect([file.add('a'), file.remove('a'), file.lines()]).toEqual([false, false, undefined]);
    expect(await readdir(folder)).toEqual([]);
  });

  it('keeps a line apart from one that was not finished', async () => {
    await writeFile(target, 'a,1\nb');
    file.add('c,3');
    expect(file.lines()).toEqual(new Set(['a,1', 'b', 'c,3']));
  });

  it('is not written if it has the lines already', async () => {
    file.replace(['a,1', 'b,2'], none);
    file.remove('a,');
    file.add('a,1');
    const { ino, mtimeMs } = await stat(target);
    expect(file.replace(['a,1', 'b,2'], none)).toBe(false);
    expect(await stat(target)).toMatchObject({ ino, mtimeMs });
    expect(file.replace(['a,1'], none)).toBe(true);
    expect(await text()).toBe('a,1\n');
  });

  it('keeps lines that are not stale, except those about the same thing', () => {
    file.replace(['a,1', 'b,2', 'c,3'], none);
    file.replace(['a,9'], { reader: undefined, isStale: (line) => line === 'b,2' });
    expect(file.lines()).toEqual(new Set(['a,9', 'c,3']));
  });

  it('is written anew when most of it was removed', async () => {
    file.replace(['a,1'], none);
    expect(file.isWorthCompacting).toBe(false);
    await appendFile(target, '#xxxxxxxxxxxxxxx\n'.repeat(1000));
    expect(file.isWorthCompacting).toBe(true);
    expect(file.replace(['a,1'], none)).toBe(false);
    expect(await text()).toBe('a,1\n');
  });

  it('loses nothing when processes write and replace it at once', { timeout: patience(60_000) }, async () => {
    const names = ['w', 'x', 'y'];
    const all = (kind: string) =>
      names.flatMap((name) => Array.from({ length: 1000 }, (_, index) => `${kind}-${name}-${index},line`));
    file.replace(all('old'), none);
    const compiled = await compile('test/integration/dnsmasq/line-file-child.ts');
    try {
      const children = names.map((name) =>
        spawn(process.execPath, [compiled.script, target, name], { stdio: 'inherit' }),
      );
      let running = children.length;
      for (const child of children) child.once('exit', () => running--);
      let replaced = 0;
      while (running > 0) {
        // A marker that changes makes every call write. All other lines stay.
        file.replace([`marker,${replaced++}`], { reader: undefined, isStale: () => false });
        await new Promise((resolve) => setImmediate(resolve));
      }
      expect(children.map(({ exitCode }) => exitCode)).toEqual([0, 0, 0]);
      expect(replaced).toBeGreaterThan(10);
    } finally {
      await rm(compiled.folder, { recursive: true });
    }
    file.remove('marker,');
    expect([...(file.lines() ?? [])].sort()).toEqual(all('new').sort());
  });
});
