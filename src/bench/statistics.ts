/** Statistics of the durations of several runs, in milliseconds. */
export interface Summary {
  runs: number;
  median: number;
  min: number;
  max: number;
}

/**
 * Quantile of the samples, with linear interpolation between two samples.
 * @param share 0 to 1; 0.5 is the median
 * @throws RangeError without samples
 */
export function quantile(samples: readonly number[], share: number): number {
  if (samples.length === 0) throw new RangeError('no samples');
  const sorted = [...samples].sort((a, b) => a - b);
  const position = share * (sorted.length - 1);
  const below = sorted[Math.floor(position)] as number;
  const above = sorted[Math.ceil(position)] as number;
  return below + (above - below) * (position - Math.floor(position));
}

export function summarise(samples: readonly number[]): Summary {
  return {
    runs: samples.length,
    median: quantile(samples, 0.5),
    min: Math.min(...samples),
    max: Math.max(...samples),
  };
}

/** As `summarise`, with the 99th percentile. */
export function withTail(samples: readonly number[]): Summary & { p99: number } {
  return { ...summarise(samples), p99: quantile(samples, 0.99) };
}
