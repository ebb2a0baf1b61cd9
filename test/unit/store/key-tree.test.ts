import { expect, test } from 'vitest';
import { KeyTree } from '../../../src/store/etcd/key-tree.js';

/** Keys of few parts, so that they often are prefixes of each other. */
const PARTS = ['a', 'b', 'ab', '', 'é', '\u{ffee}', '\u{1f600}'];
const PREFIXES = ['', 'a', 'a/', 'a/b', 'a/b/', '/', 'é/', 'ab/a', 'none/'];

test('a tree of keys lists and counts as a sorted list of all keys does', () => {
  const tree = new KeyTree<string>();
  const model = new Map<string, string>();
  let seed = 1;
  const random = (below: number) => {
    seed = (seed * 48_271) % 2_147_483_647;
    return seed % below;
  };
  for (let step = 0; step < 3000; step++) {
    const key = Array.from({ length: 1 + random(3) }, () => PARTS[random(PARTS.length)]).join('/');
    if (random(3) > 0) {
      tree.set(key, `${key} ${step}`);
      model.set(key, `${key} ${step}`);
    } else {
      tree.delete(key);
      model.delete(key);
    }
    expect(tree.get(key)).toBe(model.get(key));
    expect(tree.size).toBe(model.size);
    if (step % 50 > 0) continue;
    const sorted = [...model.keys()].sort((left, right) => Buffer.compare(Buffer.from(left), Buffer.from(right)));
    for (const prefix of PREFIXES) {
      const expected = sorted.filter((each) => each.startsWith(prefix)).map((each) => model.get(each));
      expect(tree.list(prefix)).toEqual(expected);
      expect(tree.count(prefix)).toBe(expected.length);
    }
  }
});
