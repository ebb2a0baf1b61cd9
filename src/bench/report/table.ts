import { table } from '../../format/table.js';
import type { Machine } from '../machine.js';
import type { CaseResult, ContenderResult, Figure } from '../measure.js';
import type { ScenarioResult } from '../scenario.js';
import type { BenchReport } from '../types.js';

/** Milliseconds with three significant digits. */
export function milliseconds(value: number): string {
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

/** A ratio, for example `12.0x`. */
export function times(ratio: number): string {
  return `${ratio >= 20 ? ratio.toFixed(0) : ratio >= 3 ? ratio.toFixed(1) : ratio.toFixed(2)}x`;
}

/** The names of all figures of a case, in the order of its steps. */
export function figureNames({ contenders }: CaseResult): string[] {
  return [...new Set(contenders.flatMap(({ figures }) => Object.keys(figures)))];
}

/** The reference of the ratios: the first contender that has the figure. This is vethwork if it was measured. */
export function reference({ contenders }: CaseResult, figure: string): ContenderResult | undefined {
  return contenders.find(({ figures }) => figures[figure] !== undefined);
}

function row(title: string, figure: Figure, base: Figure, eventLoop: ContenderResult['eventLoop']): string[] {
  return [
    title,
    milliseconds(figure.median),
    milliseconds(figure.min),
    milliseconds(figure.max),
    figure.p99 === undefined ? '' : milliseconds(figure.p99),
    times(figure.median / base.median),
    figure.cpu === undefined ? '' : milliseconds(figure.cpu),
    eventLoop === undefined ? '' : milliseconds(eventLoop.p99),
    String(figure.runs),
  ];
}

function formatCase(result: CaseResult, titles: ReadonlyMap<string, string>): string[] {
  const blocks = figureNames(result).map((name) => {
    const base = reference(result, name)?.figures[name] as Figure;
    const rows = result.contenders.flatMap(({ peer, figures, eventLoop }) => {
      const figure = figures[name];
      return figure === undefined ? [] : [row(titles.get(peer) ?? peer, figure, base, eventLoop)];
    });
    const headers = ['', 'MEDIAN ms', 'MIN', 'MAX', 'P99', 'RATIO', 'CPU ms', 'LOOP p99', 'RUNS'];
    return `${result.title}: ${name}\n${withoutEmptyColumns(headers, rows)}`;
  });
  const failures = result.contenders.flatMap(({ peer, failed }) =>
    failed === undefined ? [] : [`${result.title}: ${titles.get(peer) ?? peer}: ${failed}`],
  );
  return [...blocks, ...failures];
}

function formatScenario(scenario: ScenarioResult, titles: ReadonlyMap<string, string>): string[] {
  const facts = scenario.facts.map(({ name, value, unit }) => [name, `${Number(value.toPrecision(4))} ${unit}`.trim()]);
  return [
    `== ${scenario.title} ==`,
    ...scenario.cases.flatMap((each) => formatCase(each, titles)),
    ...(facts.length === 0 ? [] : [table(['', 'VALUE'], facts)]),
  ];
}

/** The machine in one sentence. */
export function machineText({ cpu, cpus, memory, kernel, node, disk, load, idleLoop }: Machine): string {
  return (
    `Linux ${kernel}, Node.js ${node}, ${cpus} x ${cpu}, ${memory} GiB, state on ${disk}; load average at the ` +
    `start ${load.toFixed(1)}, delay of an idle event loop ${milliseconds(idleLoop)} ms (p99)`
  );
}

/** The report as text tables. Ratios are to the first line of each table. */
export function formatBench(report: BenchReport): string {
  const { machine, peers } = report;
  const titles = new Map(peers.map(({ name, title }) => [name, title]));
  return [
    `vethwork ${report.vethwork} on ${machineText(machine)}`,
    ...report.scenarios.flatMap((scenario) => formatScenario(scenario, titles)),
    ...peers.flatMap(({ title, missing }) => (missing === undefined ? [] : [`not measured: ${title}: ${missing}`])),
  ].join('\n\n');
}

function withoutEmptyColumns(headers: readonly string[], rows: readonly string[][]): string {
  const kept = headers.flatMap((header, column) =>
    header === '' || rows.some((cells) => cells[column] !== '') ? [column] : [],
  );
  const pick = (cells: readonly string[]) => kept.map((column) => cells[column] ?? '');
  return table(pick(headers), rows.map(pick));
}
