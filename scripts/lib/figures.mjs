// Tables of the benchmark report: Markdown for pages, CSV for files.

/** @typedef {import('../../src/bench/index.js').BenchReport} Report */

/** Figures in docs/performance.md: case, figure and title. Each interface has carried traffic before it is detached. */
const SHOWN = [
  ['veth-1', 'attach', 'attach 1 container'],
  ['veth-100', 'attach', 'attach 100 containers at once'],
  ['veth-1000', 'attach', 'attach 1,000 containers at once'],
  ['tap-1', 'attach', 'attach 1 tap'],
  ['veth-1', 'detach', 'detach 1, until out of service'],
  ['veth-1', 'gone', 'detach 1, until the link is deleted'],
  ['veth-100', 'detach', 'detach 100 at once, until out of service'],
  ['veth-64', 'gone', 'detach 64 at once, until deleted'],
  ['network-dhcp', 'create', 'create a network with NAT and DHCP'],
  ['network-dhcp', 'delete', 'delete it, until out of service'],
  ['network', 'create', 'create a network with NAT, without DHCP'],
  ['network', 'delete', 'delete it, until out of service'],
  ['network', 'gone', 'delete it, until its links are deleted'],
  ['network-50', 'create', 'create 50 networks at once, each'],
  ['network-50', 'delete', 'delete 50 networks at once, each'],
  ['float-200', 'float', 'assign the 200th floating IP'],
  ['float-200', 'defloat', 'remove it, until out of service'],
  ['churn', 'attach', 'attach, 8 workers without pause'],
  ['churn', 'detach', 'detach, 8 workers without pause'],
  ['scale-5000', 'attach', 'attach 1 where 5,000 exist'],
];

/** Figures in README.md. */
const HEADLINES = [
  'veth-1 attach',
  'veth-100 attach',
  'veth-1 detach',
  'veth-64 gone',
  'network-dhcp create',
  'network create',
  'scale-5000 attach',
];

/** Contenders with vethwork's public API. The first one has default settings. Each has a table of its own. */
const OWN = ['model', 'model-without-dhcp'];

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
 * Tables of medians in milliseconds, with the ratio to vethwork in brackets: networks with default settings, then networks
 * without DHCP. All of SHOWN for docs/performance.md, or the headlines for README.md.
 * @param {Report} report
 * @param {{ headlines?: boolean }} [options]
 */
export function summary(report, { headlines = false } = {}) {
  const [standard, withoutDhcp] = OWN.map((own) => medians(report, own, headlines));
  const hasTraffic = report.scenarios.some(({ cases }) => cases.some(({ name }) => name === 'veth-1-traffic'));
  const missing = report.peers.flatMap(({ title, missing }) => (missing === undefined ? [] : [`${title}: ${missing}`]));
  return [
    'Median in milliseconds. The ratio to vethwork is in brackets. Networks have the default settings (DHCP, NAT,',
    `anti-spoofing). ${hasTraffic ? 'Each interface sends packets before it is detached.' : 'The interfaces carried no traffic.'}`,
    '',
    standard,
    '',
    'The same without DHCP:',
    '',
    withoutDhcp,
    '',
    machineOf(report),
    ...missing.map((text) => `Not measured: ${text}.`),
  ].join('\n');
}

/**
 * @param {Report} report
 * @param {string} own the contender that is the reference
 * @param {boolean} headlines
 */
function medians(report, own, headlines) {
  const present = report.peers.filter(
    ({ missing, name }) => missing === undefined && (name === own || !OWN.includes(name)),
  );
  const cases = report.scenarios.flatMap((scenario) => scenario.cases);
  const shown = SHOWN.filter(([name, figure]) => !headlines || HEADLINES.includes(`${name} ${figure}`));
  const rows = shown.flatMap(([name, figure, title]) => {
    const contenders = cases.find((each) => each.name === name)?.contenders ?? [];
    const median = (/** @type {string} */ peer) =>
      contenders.find((each) => each.peer === peer)?.figures[/** @type {string} */ (figure)]?.median;
    const base = median(own);
    if (base === undefined) return [];
    const cells = present.map(({ name: peer }) => {
      const value = median(peer);
      if (value === undefined) return '';
      return peer === own ? `**${ms(value)}**` : `${ms(value)} (${times(value / base)})`;
    });
    return [[/** @type {string} */ (title), ...cells]];
  });
  return markdown([['', ...present.map(({ title }) => title)], ...rows]);
}

/** Contenders that the targets are judged for. */
const JUDGED = [...OWN, 'kernel'];

/**
 * The targets of the project and whether they are met.
 * @param {Report} report
 * @returns {string[][]} the first row has the headers
 */
function targets(report) {
  const cases = report.scenarios.flatMap((scenario) => scenario.cases);
  const titles = new Map(report.peers.map(({ name, title }) => [name, title]));
  const result = (/** @type {string} */ name, /** @type {string} */ peer) =>
    cases.find((each) => each.name === name)?.contenders.find((each) => each.peer === peer);
  const median = (/** @type {string} */ name, /** @type {string} */ figure, /** @type {string} */ peer) =>
    result(name, peer)?.figures[figure]?.median ?? Number.NaN;
  const fact = (/** @type {string} */ name) =>
    report.scenarios.flatMap(({ facts }) => facts).find((each) => each.name === name)?.value ?? Number.NaN;
  /** @typedef {(own: string) => number} Finding */
  /** Duration of the peer divided by the own duration. @type {(...of: [string, string, string]) => Finding} */
  const faster = (name, figure, peer) => (own) => median(name, figure, peer) / median(name, figure, own);
  /** Own duration divided by the duration of the floor. @type {(...of: [string, string]) => Finding} */
  const ofFloor = (name, figure) => (own) => median(name, figure, own) / median(name, figure, 'floor');
  const growth = (/** @type {string} */ own) => median('scale-5000', 'attach', own) / median('scale-10', 'attach', own);
  const tail = (/** @type {string} */ figure) => (/** @type {string} */ own) => {
    const { p99, median: middle } = result('churn', own)?.figures[figure] ?? {};
    return (p99 ?? Number.NaN) / (middle ?? Number.NaN);
  };
  const atMost = (/** @type {number} */ limit) => (/** @type {number} */ found) => found <= limit;
  const atLeast = (/** @type {number} */ limit) => (/** @type {number} */ found) => found >= limit;
  /** @type {[string, (found: number) => boolean, Finding][]} */
  const goals = [
    ['attach: at most 2 of the floor', atMost(2), ofFloor('veth-1', 'attach')],
    ['attach: 4x as fast as the best shell', atLeast(4), faster('veth-1', 'attach', 'shell')],
    ['attach: 2x as fast as pyroute2', atLeast(2), faster('veth-1', 'attach', 'pyroute2')],
    ['attach a tap: at most 2 of the floor', atMost(2), ofFloor('tap-1', 'attach')],
    ['attach a tap: as fast as the best shell', atLeast(1), faster('tap-1', 'attach', 'shell')],
    ['detach, until out of service: at most 2 of the floor', atMost(2), ofFloor('veth-1', 'detach')],
    [
      'detach after traffic: at most 1.3 of a detach without traffic',
      atMost(1.3),
      (own) => median('veth-1-traffic', 'detach used', own) / median('veth-1-traffic', 'detach unused', own),
    ],
    ['create a network: at most 2 of the floor', atMost(2), ofFloor('network', 'create')],
    ['create a network: 2x as fast as the best shell', atLeast(2), faster('network', 'create', 'shell')],
    [
      "create a network with DHCP: at most 2 of the longer of kernel work and dnsmasq's start",
      atMost(2),
      ofFloor('network-dhcp', 'create'),
    ],
    ['create a network with DHCP: as fast as the best shell', atLeast(1), faster('network-dhcp', 'create', 'shell')],
    ['delete a network: at most 2 of the floor', atMost(2), ofFloor('network', 'delete')],
    ['assign the 200th floating IP: at most 2 of the floor', atMost(2), ofFloor('float-200', 'float')],
    ['remove the 200th floating IP: at most 2 of the floor', atMost(2), ofFloor('float-200', 'defloat')],
    ['attach, 100 at once: at most 1.2 of the floor', atMost(1.2), ofFloor('veth-100', 'attach')],
    ['attach, 1,000 at once: at most 1.2 of the floor', atMost(1.2), ofFloor('veth-1000', 'attach')],
    ['detach 100 at once: at most 1.2 of the floor', atMost(1.2), ofFloor('veth-100', 'detach')],
    [
      'attach where 5,000 exist against 10: growth at most 1.1 of the floor’s growth',
      atMost(1.1),
      (own) => growth(own) / growth('floor'),
    ],
    ['churn, attach: p99 at most 3 of the median', atMost(3), tail('attach')],
    ['churn, detach: p99 at most 3 of the median', atMost(3), tail('detach')],
    ...[
      ['traffic between guarded ports', 0.97],
      ['traffic through NAT', 0.95],
      ['traffic to a floating address', 0.95],
    ].flatMap(([name, limit]) =>
      ['TCP', 'UDP'].map(
        (protocol) =>
          /** @type {[string, (found: number) => boolean, Finding]} */ ([
            `${name}, ${protocol}: at least ${limit} of the hand-built copy`,
            atLeast(Number(limit)),
            (own) => fact(`${name}, ${protocol}, ${titles.get(own)} / hand-built copy`),
          ]),
      ),
    ),
  ];
  const judged = (/** @type {(found: number) => boolean} */ holds, /** @type {number} */ found) =>
    Number.isNaN(found) ? '' : `${times(found)} ${holds(found) ? 'met' : 'missed'}`;
  /** A value with a unit. @type {(value: number, unit: string, holds: (value: number) => boolean) => string} */
  const measured = (value, unit, holds) =>
    Number.isNaN(value) ? '' : `${ms(value)} ${unit} ${holds(value) ? 'met' : 'missed'}`;
  const loop = (/** @type {string} */ own, among = cases) => {
    const delays = among.flatMap((each) => result(each.name, own)?.eventLoop?.p99 ?? []);
    return delays.length === 0 ? '' : measured(Math.max(...delays), 'ms', (delay) => delay < 5);
  };
  const storm = cases.filter(({ name }) => name === 'veth-1000');
  // The floor is another process. This process only waits for it: the event loop delay of an idle process.
  const idle = Math.max(...cases.flatMap((each) => result(each.name, 'floor')?.eventLoop?.p99 ?? []));
  const floorLoop = Number.isFinite(idle) ? `${ms(idle)} ms` : '';
  /** @type {(own: string) => string} */
  const grown = (own) => (Number.isNaN(growth(own)) ? '' : times(growth(own)));
  /** A row with a cell for each judged contender. @type {(goal: string, cell: (own: string) => string) => string[]} */
  const row = (goal, cell) => [goal, ...JUDGED.map(cell), ''];
  return [
    ['target', ...JUDGED.map((name) => titles.get(name) ?? name), 'floor'],
    ...goals.map(([goal, holds, found]) => row(goal, (own) => judged(holds, found(own)))),
    row('delete 50 networks at once: at most 4 ms each', (own) =>
      measured(median('network-50', 'delete', own), 'ms', atMost(4)),
    ),
    row("a sandbox's life, 64 workers: at least 220 per second", (own) =>
      measured(fact(`lives, ${titles.get(own)}`), 'per second', atLeast(220)),
    ),
    ...slotTargets(fact).map((cells) => [...cells, ...JUDGED.slice(1).map(() => ''), '']),
    row('reconcile 500 unchanged networks: under 1 s, no write', (own) =>
      measured(median('reconcile-500', 'reconcile', own), 'ms', (took) => took < 1000),
    ),
    ['event loop delay, worst p99 of any case: under 5 ms', ...JUDGED.map((own) => loop(own)), floorLoop],
    row('event loop delay, p99 with 1,000 attached or detached at once: under 5 ms', (own) => loop(own, storm)),
    ['attach where 5,000 exist against 10: growth (no target)', ...[...JUDGED, 'floor'].map(grown)],
  ];
}

/**
 * The targets of pools: the goal and what was found.
 * @param {(name: string) => number} fact
 * @returns {string[][]}
 */
function slotTargets(fact) {
  /** Goal, fact, unit (`x` for a ratio), limit; a minimum if `isMinimum`. @type {[string, string, string, number, boolean?][]} */
  const goals = [
    ['claim, not flushed: at most 0.7 of the floor of an attach', 'claim, not flushed: ratio to the floor', 'x', 0.7],
    [
      'claim, on disk: at most 0.15 ms above the longer of that and a flush',
      'claim, on disk: above the longer of 0.7 of the floor and a flush',
      'ms',
      0.15,
    ],
    ['claim at 200 per second: p99 at most 2 ms', 'claim at 200 per second, not flushed, p99', 'ms', 2],
    ['first packet: at most 1 ms after the claim, p99', 'first packet after a claim has resolved, p99', 'ms', 1],
    ['claim during refill: p99 at most 2 of that without', 'claim during refill: p99 against without', 'x', 2],
    ['taps: at least 1,000 claims and releases', 'tap: claims and detaches, 16 callers', 'per second', 1000, true],
    [
      'single-use namespaces: at least 300 claims and releases',
      'namespace: claims and detaches, 16 callers',
      'per second',
      300,
      true,
    ],
    ['claim beside 5,000 slots: at most 1.1 of one beside 50', 'claim beside 5,000 slots against 50', 'x', 1.1],
  ];
  return goals.map(([goal, name, unit, limit, isMinimum]) => {
    const found = fact(name);
    if (Number.isNaN(found)) return [goal, ''];
    const isMet = isMinimum ? found >= limit : found <= limit;
    return [goal, `${unit === 'x' ? times(found) : `${ms(found)} ${unit}`} ${isMet ? 'met' : 'missed'}`];
  });
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
