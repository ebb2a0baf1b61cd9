import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Host, Interface, Network } from '../../../api/types.js';
import { openHost } from '../../../index.js';
import type { CaseResult, Figure } from '../../measure.js';
import { timed } from '../../measure.js';
import type { Fact } from '../../scenario.js';
import type { Stage } from '../../stage.js';
import { quantile, withTail } from '../../statistics.js';

/** Samples in milliseconds of what is compared in one case, by title. */
export type Samples = Readonly<Record<string, readonly number[]>>;

/** Opens the host once more, with or without flushes to disk. */
export const openSame = ({ folder }: Stage, synchronousCommit: boolean): Promise<Host> =>
  openHost({ stateDir: join(folder, 'state'), synchronousCommit, updateSettings: true });

/** Runs work in a network of its own without DHCP. */
export async function inNetwork<Result>(host: Host, work: (network: Network) => Promise<Result>): Promise<Result> {
  const network = await host.createNetwork({ name: 'slots', netblock: '172.24.0.0/16', provideDhcp: false });
  try {
    return await work(network);
  } finally {
    await network.delete();
    await host.drained();
  }
}

/** Duration of an attach. The detach is not measured. */
export async function timedRelease(attach: () => Promise<Interface>): Promise<number> {
  let nic: Interface | undefined;
  const took = await timed(async () => {
    nic = await attach();
    return undefined;
  });
  await nic?.detach();
  return took;
}

/** Median, 99th percentile of durations in milliseconds. */
export const distribution = (name: string, samples: readonly number[]): Fact[] => [
  { name: `${name}, median`, value: quantile(samples, 0.5), unit: 'ms' },
  { name: `${name}, p99`, value: quantile(samples, 0.99), unit: 'ms' },
];

/** A case whose contenders are different works of one run. */
export function comparison(name: string, title: string, samples: Samples, at?: number): CaseResult {
  const contenders = Object.entries(samples)
    .filter(([, durations]) => durations.length > 0)
    .map(([peer, durations]) => ({ peer, figures: { claim: withTail(durations) satisfies Figure } }));
  return { name, title, contenders, ...(at !== undefined && { at }) };
}

/** Work of concurrent callers without pause. */
export interface Churn {
  durations: number[];
  perSecond: number;
}

/** Repeats work with concurrent callers. @param work resolves to the duration that is recorded, in milliseconds */
export async function churn(
  callers: number,
  milliseconds: number,
  signal: AbortSignal,
  work: () => Promise<number>,
): Promise<Churn> {
  const durations: number[] = [];
  const began = performance.now();
  const repeat = async () => {
    while (performance.now() - began < milliseconds && !signal.aborted) durations.push(await work());
  };
  await Promise.all(Array.from({ length: callers }, repeat));
  return { durations, perSecond: (durations.length * 1000) / (performance.now() - began) };
}

/** A value of /proc/meminfo, in bytes. */
export function memoryInfo(name: 'Slab' | 'MemAvailable'): number {
  const [, kib = '0'] = new RegExp(`^${name}: +(\\d+) kB$`, 'm').exec(readFileSync('/proc/meminfo', 'utf8')) ?? [];
  return Number(kib) * 1024;
}
