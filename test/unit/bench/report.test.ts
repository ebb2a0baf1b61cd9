import { describe, expect, it } from 'vitest';
import { drawBench, specsOf } from '../../../src/bench/report/svg.js';
import { formatBench, milliseconds, times } from '../../../src/bench/report/table.js';
import type { BenchReport } from '../../../src/bench/types.js';

const figure = (median: number) => ({ runs: 3, median, min: median / 2, max: median * 2 });

const report: BenchReport = {
  vethwork: '0.1.0',
  date: '2026-01-01T00:00:00.000Z',
  machine: {
    cpu: 'a CPU',
    cpus: 2,
    memory: 8,
    kernel: '6.1.0',
    node: 'v20.19.0',
    disk: 'ext4',
    load: 0.5,
    idleLoop: 0.25,
  },
  runs: 3,
  quick: false,
  peers: [
    { name: 'model', title: 'vethwork', description: '' },
    { name: 'shell', title: 'best shell', description: '' },
    { name: 'cni', title: 'CNI', description: '', missing: 'missing: the CNI plugins' },
  ],
  scenarios: [
    {
      name: 'attach',
      title: 'Attach',
      over: 'interfaces at once',
      cases: [1, 10].map((at) => ({
        name: `veth-${at}`,
        title: `${at} veths`,
        at,
        contenders: [
          { peer: 'model', figures: { attach: { ...figure(2 * at), cpu: 1 } }, eventLoop: { p99: 0.25, max: 1 } },
          { peer: 'shell', figures: { attach: figure(20 * at) } },
        ],
      })),
      facts: [{ name: 'descriptors', value: 0.123456, unit: 'a network' }],
    },
    {
      name: 'float',
      title: 'Float',
      cases: [{ name: 'float', title: 'one', contenders: [{ peer: 'shell', figures: {}, failed: 'failed: no map' }] }],
      facts: [],
    },
  ],
};

describe('the report of the benchmark', () => {
  it('shows ratios to the first line, missing and failed contenders', () => {
    const text = formatBench(report);
    expect(text).toContain(`1 veths: attach
            MEDIAN ms  MIN   MAX   RATIO  CPU ms  LOOP p99  RUNS
vethwork    2.00       1.00  4.00  1.00x  1.00    0.25      3
best shell  20.0       10.0  40.0  10.0x                    3`);
    expect(text).toContain(
      '2 x a CPU, 8 GiB, state on ext4; load average at the start 0.5, delay of an idle event loop 0.25 ms (p99)',
    );
    expect(text).toContain('one: best shell: failed: no map');
    expect(text).toContain('not measured: CNI: missing: the CNI plugins');
    expect(text).toMatch(/^descriptors +0\.1235 a network$/m);
  });

  it('writes numbers with significant digits', () => {
    expect([0.1234, 1.234, 12.34, 123.4].map(milliseconds)).toEqual(['0.12', '1.23', '12.3', '123']);
    expect([0.5, 2.345, 4.56, 45.6].map(times)).toEqual(['0.50x', '2.35x', '4.6x', '46x']);
  });

  it('draws bars for each figure and a curve for those of several sizes', async () => {
    const drawings = await drawBench(report);
    expect([...drawings.keys()]).toEqual(['veth-1-attach.svg', 'veth-10-attach.svg', 'attach-attach-curve.svg']);
    for (const [, svg] of drawings) {
      expect(svg).toMatch(/^<svg .*<\/svg>\n$/s);
      expect(svg).toContain('best shell');
    }
    expect(drawings.get('veth-10-attach.svg')).toContain('200 ms');
  });

  it('draws no chart of a scenario without figures', () => {
    const [, float] = report.scenarios;
    expect(float && specsOf(float, new Map())).toEqual([]);
  });
});
