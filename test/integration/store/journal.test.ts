import { execFile } from 'node:child_process';
import { appendFile, mkdtemp, readdir, readlink, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Journal, type JournalOptions, type Position } from '../../../src/store/journal.js';
import { compile } from '../../support/compile.js';

type Entry = { who: string; number: number };

describe('a journal', () => {
  let folder: string;
  const open: Journal<Entry>[] = [];

  beforeEach(async () => {
    folder = join(await mkdtemp(join(tmpdir(), 'vethwork-journal-')), 'events');
  });
  afterEach(async () => {
    for (const journal of open.splice(0)) await journal.close();
    await rm(join(folder, '..'), { recursive: true });
  });

  function journal(options?: JournalOptions): Journal<Entry> {
    const opened = new Journal<Entry>(folder, options);
    open.push(opened);
    return opened;
  }

  async function all(from: Journal<Entry>, position?: Position): Promise<Entry[]> {
    const entries: Entry[] = [];
    for await (const { entry } of from.read({ from: position })) entries.push(entry);
    return entries;
  }

  const numbers = (count: number, who = 'me') => Array.from({ length: count }, (_, number) => ({ who, number }));

  test('returns appended entries in order, also after it is opened again', async () => {
    const first = journal();
    expect(await all(first)).toEqual([]);
    await Promise.all(numbers(100).map((entry) => first.append(entry)));
    expect(await all(first)).toEqual(numbers(100));
    await first.close();
    const second = journal();
    await second.append({ who: 'other', number: 7 });
    expect(await all(second)).toEqual([...numbers(100), { who: 'other', number: 7 }]);
    expect((await stat(folder)).mode & 0o777).toBe(0o700);
  });

  test('can be read from an earlier position', async () => {
    const one = journal();
    for (const entry of numbers(10)) await one.append(entry);
    const positions: Position[] = [];
    for await (const { position } of one.read({})) positions.push(position);
    for (const [index, position] of positions.entries()) {
      expect(await all(one, position)).toEqual(numbers(10).slice(index + 1));
    }
    const end = one.end();
    expect(end).toEqual(positions.at(-1));
    await one.append({ who: 'me', number: 10 });
    expect(await all(one, end)).toEqual([{ who: 'me', number: 10 }]);
  });

  test('is bounded: the oldest entries are removed', async () => {
    const one = journal({ segmentBytes: 1000, segments: 3 });
    for (const entry of numbers(1000)) await one.append(entry);
    const files = await readdir(folder);
    expect(files.length).toBeLessThanOrEqual(3);
    const sizes = await Promise.all(files.map(async (file) => (await stat(join(folder, file))).size));
    expect(Math.max(...sizes)).toBeLessThan(1100);
    const left = await all(one);
    expect(left.length).toBeGreaterThan(50);
    expect(left).toEqual(numbers(1000).slice(-left.length));
  });

  test('skips an incomplete line of a process that died', async () => {
    const one = journal();
    await one.append({ who: 'me', number: 0 });
    await appendFile(join(folder, '00000001.jsonl'), '{"who":"dea');
    const [first] = numbers(1);
    expect(await all(one)).toEqual([first]);
    await one.append({ who: 'me', number: 1 });
    expect(await all(one)).toEqual(numbers(2));
  });

  test('an entry that comes after the end is written, and leaves no file open', async () => {
    const first = journal();
    await first.append({ who: 'me', number: 0 });
    expect(await openFiles()).toHaveLength(1);
    await first.close();
    await first.append({ who: 'me', number: 1 });
    expect(await openFiles()).toEqual([]);
    expect(await all(journal())).toEqual(numbers(2));
  });

  /** The files of the journal that this process has open. */
  async function openFiles(): Promise<string[]> {
    const names = await readdir('/proc/self/fd');
    // The descriptor of the listing itself is closed already.
    const targets = await Promise.allSettled(names.map((name) => readlink(`/proc/self/fd/${name}`)));
    return targets.flatMap((each) =>
      each.status === 'fulfilled' && each.value.startsWith(folder) ? [each.value] : [],
    );
  }

  test('follows entries of other processes, until aborted or closed', async () => {
    const [reader, writer] = [journal(), journal({ segmentBytes: 500, segments: 50 })];
    await writer.append({ who: 'me', number: 0 });
    const controller = new AbortController();
    const heard: Entry[] = [];
    const follow = async (signal?: AbortSignal) => {
      for await (const { entry } of reader.read({ follow: true, signal })) {
        heard.push(entry);
        if (heard.length < 100) await writer.append({ who: 'me', number: heard.length });
        else controller.abort(new Error('enough'));
      }
    };
    await expect(follow(controller.signal)).rejects.toThrow('enough');
    expect(heard).toEqual(numbers(100));
    const closed = follow();
    await reader.close();
    await closed;
  });

  test('of several processes has all entries, those of each process in order, over many files', async () => {
    const reader = journal();
    const names = ['a', 'b', 'c'];
    const { script, folder: compiled } = await compile('test/integration/store/journal-child.ts');
    const run = promisify(execFile);
    const children = names.map((who) => run(process.execPath, [script, folder, who, '500']));
    const heard: Entry[] = [];
    const controller = new AbortController();
    const following = (async () => {
      for await (const { entry } of reader.read({ follow: true, signal: controller.signal })) {
        heard.push(entry);
        if (heard.length === 1500) return;
      }
    })();
    await Promise.all(children);
    await following;
    await rm(compiled, { recursive: true });
    for (const who of names) expect(heard.filter((entry) => entry.who === who)).toEqual(numbers(500, who));
    expect((await readdir(folder)).length).toBeGreaterThan(5);
  });
});
