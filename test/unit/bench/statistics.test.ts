import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { quantile, summarise } from '../../../src/bench/statistics.js';

describe('statistics of the benchmark', () => {
  it('returns the median of an odd or even number of samples, in any order', () => {
    expect(quantile([3, 1, 2], 0.5)).toBe(2);
    expect(quantile([4, 1, 3, 2], 0.5)).toBe(2.5);
    expect(quantile([7], 0.99)).toBe(7);
    expect(quantile([0, 10], 0.25)).toBe(2.5);
  });

  it('does not change its samples', () => {
    const samples = [3, 1, 2];
    summarise(samples);
    expect(samples).toEqual([3, 1, 2]);
  });

  it('summarises samples', () => {
    expect(summarise([5, 1, 3])).toEqual({ runs: 3, median: 3, min: 1, max: 5 });
  });

  it('rejects an empty list', () => {
    expect(() => quantile([], 0.5)).toThrow(RangeError);
  });

  it('returns quantiles between minimum and maximum, in order', () => {
    const numbers = fc.array(fc.double({ min: 0, max: 1e6, noNaN: true }), { minLength: 1 });
    fc.assert(
      fc.property(numbers, fc.double({ min: 0, max: 1, noNaN: true }), (samples, share) => {
        const { min, max } = summarise(samples);
        const value = quantile(samples, share);
        expect(value).toBeGreaterThanOrEqual(min);
        expect(value).toBeLessThanOrEqual(max);
        expect(quantile(samples, share / 2)).toBeLessThanOrEqual(value);
      }),
    );
  });
});
