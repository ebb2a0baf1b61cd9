import type { TopLevelSpec } from 'vega-lite';
import { VethworkError } from '../../errors.js';
import type { CaseResult } from '../measure.js';
import type { ScenarioResult } from '../scenario.js';
import type { BenchReport } from '../types.js';
import { figureNames, milliseconds } from './table.js';

/** The optional packages vega and vega-lite are not installed. */
export class MissingPlotterError extends VethworkError {
  readonly code = 'ERR_VETHWORK_MISSING_PLOTTER';
}

interface Plotter {
  vega: typeof import('vega');
  lite: typeof import('vega-lite');
}

/** @throws MissingPlotterError if vega or vega-lite is not installed */
export async function requirePlotter(): Promise<Plotter> {
  try {
    return { vega: await import('vega'), lite: await import('vega-lite') };
  } catch (cause) {
    throw new MissingPlotterError('plots need the packages vega and vega-lite: npm install vega vega-lite', { cause });
  }
}

/** Colour of each contender in all plots. The colours of vethwork are blue. */
const COLOURS: Readonly<Record<string, string>> = {
  model: '#1f5fa8',
  'model-without-dhcp': '#5b93cf',
  kernel: '#9cc3e6',
  floor: '#555555',
  walkthrough: '#c0392b',
  shell: '#e67e22',
  pyroute2: '#27ae60',
  cni: '#8e44ad',
  netavark: '#b7950b',
  claim: '#1f5fa8',
  attach: '#9cc3e6',
};

interface Point {
  contender: string;
  median: number;
  min: number;
  max: number;
  label: string;
  /** Position on the x axis of a curve, such as the number of interfaces. */
  at?: number;
}

/** Plots of a report: SVG text by file name. @throws MissingPlotterError */
export async function drawBench(report: BenchReport): Promise<Map<string, string>> {
  const plotter = await requirePlotter();
  const titles = new Map(report.peers.map(({ name, title }) => [name, title]));
  const drawings = new Map<string, string>();
  for (const scenario of report.scenarios) {
    for (const [name, spec] of specsOf(scenario, titles)) drawings.set(`${name}.svg`, await render(plotter, spec));
  }
  return drawings;
}

async function render({ vega, lite }: Plotter, spec: TopLevelSpec): Promise<string> {
  const view = new vega.View(vega.parse(lite.compile(spec).spec), { renderer: 'none' });
  try {
    return `${await view.toSVG()}\n`;
  } finally {
    view.finalize();
  }
}

/** One bar chart for each figure of a case, and one curve for each figure that several cases of a scenario share. */
export function specsOf(scenario: ScenarioResult, titles: ReadonlyMap<string, string>): [string, TopLevelSpec][] {
  const specs: [string, TopLevelSpec][] = [];
  for (const each of scenario.cases) {
    for (const figure of figureNames(each)) {
      specs.push([`${each.name}-${figure}`, bars(`${each.title}: ${figure}`, points(each, figure, titles), titles)]);
    }
  }
  const curved = scenario.cases.filter(({ at }) => at !== undefined);
  if (scenario.over !== undefined && curved.length > 1) {
    for (const figure of new Set(curved.flatMap(figureNames))) {
      const all = curved.flatMap((each) => points(each, figure, titles));
      specs.push([
        `${scenario.name}-${figure}-curve`,
        curve(`${scenario.title}: ${figure}`, scenario.over, all, titles),
      ]);
    }
  }
  return specs;
}

function points(each: CaseResult, name: string, titles: ReadonlyMap<string, string>): Point[] {
  return each.contenders.flatMap(({ peer, figures }) => {
    const figure = figures[name];
    if (figure === undefined) return [];
    const { median, min, max } = figure;
    const contender = titles.get(peer) ?? peer;
    const label = `${milliseconds(median)} ms`;
    return [{ contender, median, min, max, label, ...(each.at !== undefined && { at: each.at }) }];
  });
}

const SCHEMA = 'https://vega.github.io/schema/vega-lite/v6.json';
const config = { background: 'white', font: 'sans-serif', view: { stroke: null } } as const;

/** The colour scale of the contenders that have points, in the order of the tables. */
function colour(titles: ReadonlyMap<string, string>, values: readonly Point[]) {
  const present = new Set(values.map(({ contender }) => contender));
  const names = [...titles].filter(([, title]) => present.has(title));
  for (const [, title] of names) present.delete(title);
  // Of cases that compare works of one contender.
  const others = [...present].map((title): [string, string] => [title, title]);
  const all = [...names, ...others];
  return {
    domain: all.map(([, title]) => title),
    range: all.map(([name]) => COLOURS[name] ?? '#999999'),
  };
}

/** A bar for the median, with a line from minimum to maximum. */
function bars(title: string, values: Point[], titles: ReadonlyMap<string, string>): TopLevelSpec {
  const minimum = Math.min(...values.map(({ min }) => min));
  const maximum = Math.max(...values.map(({ max }) => max));
  const y = { field: 'contender', type: 'nominal', sort: null, title: null, axis: { labelLimit: 0 } } as const;
  // Space for the labels to the right of the longest bar.
  const scale = { type: 'log' as const, domain: [minimum / 2, maximum * 3] };
  return {
    $schema: SCHEMA,
    title,
    config,
    width: 480,
    height: { step: 24 },
    data: { values },
    layer: [
      {
        mark: { type: 'bar', height: 14 },
        encoding: {
          y,
          x: { field: 'median', type: 'quantitative', scale, title: 'ms (median, minimum to maximum; logarithmic)' },
          x2: { datum: minimum / 2 },
          color: { field: 'contender', type: 'nominal', scale: colour(titles, values), legend: null },
        },
      },
      {
        mark: { type: 'rule', color: 'black' },
        encoding: { y, x: { field: 'min', type: 'quantitative', scale }, x2: { field: 'max' } },
      },
      {
        mark: { type: 'text', align: 'left', dx: 6, fontSize: 11 },
        encoding: { y, x: { field: 'max', type: 'quantitative', scale }, text: { field: 'label' } },
      },
    ],
  };
}

function curve(title: string, over: string, values: Point[], titles: ReadonlyMap<string, string>): TopLevelSpec {
  const x = { field: 'at', type: 'quantitative', scale: { type: 'log' }, title: over } as const;
  const scale = { type: 'log' } as const;
  const color = {
    field: 'contender',
    type: 'nominal',
    scale: colour(titles, values),
    title: null,
    legend: { labelLimit: 0 },
  } as const;
  return {
    $schema: SCHEMA,
    title,
    config,
    width: 480,
    height: 320,
    data: { values },
    layer: [
      {
        mark: { type: 'line', point: true },
        encoding: { x, y: { field: 'median', type: 'quantitative', scale, title: 'ms (logarithmic)' }, color },
      },
      {
        mark: { type: 'rule', opacity: 0.5 },
        encoding: { x, y: { field: 'min', type: 'quantitative', scale }, y2: { field: 'max' }, color },
      },
    ],
  };
}
