// Tables of the benchmark report: Markdown for pages, CSV for files.

/** @typedef {import('../../src/bench/index.js').BenchReport} Report */

/** Figures in docs/performance.md: case, figure and title. */
const SHOWN = [
  ['veth-1', 'attach', 'attach 1 container'],
  ['veth-100', 'attach', 'attach 100 containers at once'],
  ['tap-1', 'attach', 'attach 1 tap'],
  ['veth-1', 'detach', 'detach 1, until out of service'],
  ['veth-1', 'gone', 'detach 1, until the link is deleted'],
  ['veth-64', 'gone', 'detach 64 at once, until deleted'],
  ['network', 'create', 'create a network with NAT'],
  ['network', 'delete', 'delete it'],
  ['network-dhcp', 'create', 'create a network with NAT and DHCP'],
  ['float-200', 'float', 'assign the 200th floating IP'],
  ['churn', 'attach', 'attach, 8 workers without pause'],
  ['scale-5000', 'attach', 'attach 1 where 5,000 exist'],
];

/** Figures in README.md. */
const HEADLINES = ['veth-1 attach', 'veth-100 attach', 'veth-64 gone', 'network create', 'scale-5000 attach'];

/** @param {number} value */
const ms = (value) => (value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2));

/** @param {number} ratio */
const times = (ratio) => `${ratio >= 20 ? ratio.toFixed(0) : ratio >= 3 ? ratio.toFixed(1) : ratio.toFixed(2)}x`;

/** @param {readonly (readonly string[])[]} rows the first row has the headers */
function markdown(rows) {
  const [headers = [], ...rest] = rows;
  const line = (/** @type {readonly string[]} */ cells) => `| ${cells.join(' | ')} |`;
  return [line(headers), line(headers.map((_, column) => (column === 0 ? '---' : '---:'))), ...rest.map(line)].join(
    '\n',
  );
}

/** @param {readonly (readonly (string | number)[])[]} rows the first row has the headers */
function csv(rows) {
  const cell = (/** @type {string | number} */ value) =>
    /[",\n]/.test(String(value)) ? `"${String(value).replaceAll('"', '""')}"` : String(value);
  return `${rows.map((row) => row.map(cell).join(',')).join('\n')}\n`;
}

/** @param {Report} report */
function machineOf({ date, vethwork, quick, machine: { cpu, cpus, memory, kernel, node, disk, load, idleLoop } }) {
  const doubts = [
    ...(load > cpus ? ['The machine was busy with other work.'] : []),
    ...(quick ? ['The run was a quick one, without warm-up.'] : []),
  ];
  const text =
    `Measured on ${date.slice(0, 10)} with vethwork ${vethwork}: ${cpus} x ${cpu}, ${memory} GiB, Linux ${kernel}, ` +
    `Node.js ${node}, state folder on ${disk}. At the start, the load average was ${load.toFixed(1)} and the p99 delay ` +
    `of an idle event loop was ${ms(idleLoop)} ms.`;
  return [text, ...(doubts.length === 0 ? [] : [`**Measure again: ${doubts.join(' ')}**`])].join(' ');
}

/**
 * Table of medians in milliseconds, with the ratio to vethwork in brackets: all of SHOWN for docs/performance.md, or the
 * headlines for README.md.
 * @param {Report} report
 * @param {{ headlines?: boolean }} [options]
 */
export function summary(report, { headlines = false } = {}) {
  const present = report.peers.filter(({ missing, name }) => missing === undefined && name !== 'model-dhcp');
  const cases = report.scenarios.flatMap((scenario) => scenario.cases);
  const shown = SHOWN.filter(([name, figure]) => !headlines || HEADLINES.includes(`${name} ${figure}`));
  const rows = shown.flatMap(([name, figure, title]) => {
    const contenders = cases.find((each) => each.name === name)?.contenders ?? [];
    const median = (/** @type {string} */ peer) =>
      contenders.find((each) => each.peer === peer)?.figures[/** @type {string} */ (figure)]?.median;
    const base = median('model');
    if (base === undefined) return [];
    const cells = present.map(({ name: peer }) => {
      const value = median(peer);
      if (value === undefined) return '';
      return peer === 'model' ? `**${ms(value)}**` : `${ms(value)} (${times(value / base)})`;
    });
    return [[/** @type {string} */ (title), ...cells]];
  });
  const missing = report.peers.flatMap(({ title, missing }) => (missing === undefined ? [] : [`${title}: ${missing}`]));
  return [
    'Median in milliseconds. The ratio to vethwork is in brackets.',
    '',
    markdown([['', ...present.map(({ title }) => title)], ...rows]),
    '',
    machineOf(report),
    ...missing.map((text) => `Not measured: ${text}.`),
  ].join('\n');
}

/**
 * The targets of the project and whether they are met, for vethwork and for vethwork/kernel.
 * @param {Report} report
 * @returns {string[][]} the first row has the headers
 */
function targets(report) {
  const cases = report.scenarios.flatMap((scenario) => scenario.cases);
  const result = (/** @type {string} */ name, /** @type {string} */ peer) =>
    cases.find((each) => each.name === name)?.contenders.find((each) => each.peer === peer);
  const median = (/** @type {string} */ name, /** @type {string} */ figure, /** @type {string} */ peer) =>
    result(name, peer)?.figures[figure]?.median ?? Number.NaN;
  /** @typedef {(own: string) => number} Finding */
  /** Duration of the peer divided by the duration of vethwork. @type {(...of: [string, string, string]) => Finding} */
  const faster = (name, figure, peer) => (own) => median(name, figure, peer) / median(name, figure, own);
  const growth = (/** @type {string} */ own) => median('scale-5000', 'attach', own) / median('scale-10', 'attach', own);
  const others = report.peers.filter(({ name }) =>
    ['walkthrough', 'shell', 'pyroute2', 'cni', 'netavark'].includes(name),
  );
  /** @type {[string, (found: number) => boolean, Finding][]} */
  const goals = [
    [
      "attach: 40x as fast as the walk-through's commands",
      (found) => found >= 40,
      faster('veth-1', 'attach', 'walkthrough'),
    ],
    ['attach: 5x as fast as the best shell', (found) => found >= 5, faster('veth-1', 'attach', 'shell')],
    ['attach: 5x as fast as pyroute2', (found) => found >= 5, faster('veth-1', 'attach', 'pyroute2')],
    ['attach: 40x as fast as CNI', (found) => found >= 40, faster('veth-1', 'attach', 'cni')],
    [
      'attach: at most 1.25 of the floor',
      (found) => found <= 1.25,
      (own) => 1 / faster('veth-1', 'attach', 'floor')(own),
    ],
    [
      'attach, 100 at once: at most 1.1 of the floor',
      (found) => found <= 1.1,
      (own) => 1 / faster('veth-100', 'attach', 'floor')(own),
    ],
    ...others.map(
      ({ name, title }) =>
        /** @type {[string, (found: number) => boolean, Finding]} */ ([
          `detach 64 at once, until deleted: 15x as fast as ${title}`,
          (found) => found >= 15,
          faster('veth-64', 'gone', name),
        ]),
    ),
    [
      "create a network: 20x as fast as the walk-through's commands",
      (found) => found >= 20,
      faster('network', 'create', 'walkthrough'),
    ],
    [
      'create a network: at most 1.3 of the floor',
      (found) => found <= 1.3,
      (own) => 1 / faster('network', 'create', 'floor')(own),
    ],
    [
      'attach where 5,000 exist against 10: growth at most 1.5 of the floor’s growth',
      (found) => found <= 1.5,
      (own) => growth(own) / growth('floor'),
    ],
  ];
  const judged = (/** @type {(found: number) => boolean} */ holds, /** @type {number} */ found) =>
    Number.isNaN(found) ? '' : `${times(found)} ${holds(found) ? 'met' : 'missed'}`;
  const rows = goals.map(([goal, holds, found]) => [
    goal,
    ...['model', 'kernel'].map((own) => judged(holds, found(own))),
  ]);
  const loop = (/** @type {string} */ own, among = cases) => {
    const delays = among.flatMap((each) => result(each.name, own)?.eventLoop?.p99 ?? []);
    const worst = Math.max(...delays);
    return delays.length === 0 ? '' : `${ms(worst)} ms ${worst < 5 ? 'met' : 'missed'}`;
  };
  const storm = cases.filter(({ name }) => name === 'veth-1000');
  // The floor is another process. This process only waits for it: the event loop delay of an idle process.
  const idle = Math.max(...cases.flatMap((each) => result(each.name, 'floor')?.eventLoop?.p99 ?? []));
  const floorLoop = Number.isFinite(idle) ? `${ms(idle)} ms` : '';
  const look = median('reconcile-500', 'reconcile', 'model');
  const looked = Number.isNaN(look) ? '' : `${ms(look)} ms ${look < 1000 ? 'met' : 'missed'}`;
  /** @type {(own: string) => string} */
  const grown = (own) => (Number.isNaN(growth(own)) ? '' : times(growth(own)));
  return [
    ['target', 'vethwork', 'vethwork/kernel', 'floor'],
    ...rows.map((row) => [...row, '']),
    ['reconcile 500 unchanged networks: under 1 s, no write', looked, '', ''],
    ['event loop delay, worst p99 of any case: under 5 ms', loop('model'), loop('kernel'), floorLoop],
    [
      'event loop delay, p99 with 1,000 attached or detached at once: under 5 ms',
      loop('model', storm),
      loop('kernel', storm),
      '',
    ],
    ['attach where 5,000 exist against 10: growth (no target)', ...['model', 'kernel', 'floor'].map(grown)],
  ];
}

/**
 * All results, by file name: `figures.csv` has a line for each figure of each contender (milliseconds; the ratio is to the
 * first contender of the case), `totals.csv` has single values of scenarios, `targets.csv` has the targets.
 * @param {Report} report
 * @returns {Map<string, string>}
 */
export function dataFiles(report) {
  const titles = new Map(report.peers.map(({ name, title }) => [name, title]));
  const figures = report.scenarios.flatMap((scenario) =>
    scenario.cases.flatMap((each) =>
      [...new Set(each.contenders.flatMap((one) => Object.keys(one.figures)))].flatMap((figure) => {
        const base = each.contenders.find((one) => one.figures[figure] !== undefined)?.figures[figure];
        return each.contenders.flatMap(({ peer, figures: own, eventLoop }) => {
          const value = own[figure];
          if (value === undefined || base === undefined) return [];
          const { median, min, max, p99, cpu, runs } = value;
          const optional = [p99, cpu, eventLoop?.p99].map((one) => (one === undefined ? '' : ms(one)));
          const ratio = times(median / base.median).slice(0, -1);
          const title = titles.get(peer) ?? peer;
          return [[scenario.name, each.title, figure, title, ...[median, min, max].map(ms), ratio, ...optional, runs]];
        });
      }),
    ),
  );
  const failed = report.scenarios.flatMap(({ name, cases }) =>
    cases.flatMap((each) =>
      each.contenders.flatMap((one) =>
        one.failed === undefined ? [] : [[name, `${each.title}, ${titles.get(one.peer) ?? one.peer}`, one.failed, '']],
      ),
    ),
  );
  const facts = report.scenarios.flatMap((scenario) =>
    scenario.facts.map(({ name, value, unit }) => [scenario.name, name, Number(value.toPrecision(3)), unit]),
  );
  const measures = ['median_ms', 'min_ms', 'max_ms', 'ratio', 'p99_ms', 'cpu_ms', 'event_loop_p99_ms', 'runs'];
  return new Map([
    ['figures.csv', csv([['scenario', 'case', 'figure', 'contender', ...measures], ...figures])],
    ['totals.csv', csv([['scenario', 'name', 'value', 'unit'], ...facts, ...failed])],
    ['targets.csv', csv(targets(report))],
  ]);
}
