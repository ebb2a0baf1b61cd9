import type { IntervalHistogram } from 'node:perf_hooks';

/** Resolution of the event loop monitor, in milliseconds. The values that it reports include the resolution. */
export const RESOLUTION = 1;

/** Delay of the event loop, in milliseconds. */
export function delayOf(delay: IntervalHistogram): { p99: number; max: number } {
  const inMs = (nanoseconds: number) => Math.max(0, nanoseconds / 1e6 - RESOLUTION);
  return { p99: inMs(delay.percentile(99)), max: inMs(delay.max) };
}
