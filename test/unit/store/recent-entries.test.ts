import { expect, test } from 'vitest';
import { RecentEntries } from '../../../src/store/recent-entries.js';

test('an entry is kept after the second reading of one version, and frozen', () => {
  const recent = new RecentEntries();
  const entry = (version: number) => ({ key: 'network/1', value: { list: [1] }, version });
  recent.note(entry(1));
  expect(recent.get('network/1')).toEqual({ version: 1 });
  recent.note(entry(2));
  expect(recent.get('network/1')).toEqual({ version: 2 });
  recent.note(entry(2));
  const kept = recent.get('network/1')?.entry as unknown as { value: { list: number[] } };
  expect(kept.value).toEqual({ list: [1] });
  expect(() => kept.value.list.push(2)).toThrow(TypeError);
});

test('the number of kept entries is limited, and the least recently read one goes first', () => {
  const recent = new RecentEntries();
  for (let count = 0; count < 600; count++) recent.note({ key: `key/${count}`, value: 1, version: 1 });
  expect(recent.get('key/0')).toBeUndefined();
  expect(recent.get('key/599')).toEqual({ version: 1 });
});
