/** Result of a series of echo requests. */
export interface Echoes {
  received: number;
  duplicates: number;
  /** Longest time between two answers, in milliseconds. */
  gap: number;
}

/** Reads the output of `ping -D`, which prints the time of each answer. */
export function readEchoes(output: string): Echoes {
  const answers = output.split('\n').filter((line) => line.includes('icmp_seq='));
  const times = answers.map((line) => Number(/^\[([\d.]+)\]/.exec(line)?.[1]));
  const gaps = times.slice(1).map((time, index) => time - (times[index] as number));
  return {
    received: answers.length,
    duplicates: answers.filter((line) => line.includes('DUP!')).length,
    gap: Math.round(Math.max(0, ...gaps) * 1000),
  };
}
