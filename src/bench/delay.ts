import type { IntervalHistogram } from 'node:perf_hooks';

/** Of the event loop's monitor, in milliseconds: what it reports contains it. */
export const RESOLUTION = 1;

/** How late the event loop was, in milliseconds. */
export function delayOf(delay: IntervalHistogram): { p99: number; max: number } {
  const inMs = (nanoseconds: number) => Math.max(0, nanoseconds / 1e6 - RESOLUTION);
  return { p99: inMs(delay.percentile(99)), max: inMs(delay.max) };
}
