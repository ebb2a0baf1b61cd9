// The report of the benchmark as tables in Markdown.

/** @typedef {import('../../src/bench/index.js').BenchReport} Report */

/** What README.md shows, of everything that was measured: case, figure, and what to call it. */
const SHOWN = [
  ['veth-1', 'attach', 'attach one container'],
  ['veth-100', 'attach', 'attach 100 at once'],
  ['tap-1', 'attach', 'attach one tap'],
  ['veth-1', 'detach', 'detach one: out of service'],
  ['veth-1', 'gone', 'detach one: gone'],
  ['veth-64', 'gone', 'detach 64 at once: gone'],
  ['network', 'create', 'create a network with NAT'],
  ['network', 'delete', 'delete it: gone'],
  ['network-dhcp', 'create', 'create a network with NAT and DHCP'],
  ['float-200', 'float', 'the 200th floating IP'],
  ['churn', 'attach', 'attach under churn'],
  ['scale-5000', 'attach', 'attach one beside 5,000'],
];

/** @param {number} value */
const ms = (value) => (value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2));

/** @param {number} ratio */
const times = (ratio) => `${ratio >= 20 ? ratio.toFixed(0) : ratio >= 3 ? ratio.toFixed(1) : ratio.toFixed(2)}x`;

/** @param {readonly (readonly string[])[]} rows the first are the headers */
function markdown(rows) {
  const [headers = [], ...rest] = rows;
  const line = (/** @type {readonly string[]} */ cells) => `| ${cells.join(' | ')} |`;
  return [line(headers), line(headers.map((_, column) => (column === 0 ? '---' : '---:'))), ...rest.map(line)].join(
    '\n',
  );
}

/** @param {Report} report */
function machineOf({ date, vethwork, quick, machine: { cpu, cpus, memory, kernel, node, disk, load, idleLoop } }) {
  const doubts = [
    ...(load > cpus ? ['The machine was busy with other work, which costs most whoever has several threads.'] : []),
    ...(quick ? ['A quick look, without warm-up.'] : []),
  ];
  const toBeRepeated = doubts.length === 0 ? [] : [`**To be measured anew: ${doubts.join(' ')}**`];
  const text =
    `vethwork ${vethwork}, ${date.slice(0, 10)}: ${cpus} x ${cpu}, ${memory} GiB, Linux ${kernel}, Node.js ${node}, state on ${disk}. ` +
    `When it began, the load average was ${load.toFixed(1)} and an idle event loop ${ms(idleLoop)} ms late (p99).`;
  return [text, ...toBeRepeated].join(' ');
}

/**
 * The headline figures: medians in milliseconds, and in brackets how many times as long as vethwork.
 * @param {Report} report
 */
export function summary(report) {
  const present = report.peers.filter(({ missing, name }) => missing === undefined && name !== 'model-dhcp');
  const cases = report.scenarios.flatMap((scenario) => scenario.cases);
  const rows = SHOWN.flatMap(([name, figure, title]) => {
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
    'Milliseconds, median; in brackets how many times as long as vethwork takes.',
    '',
    markdown([['', ...present.map(({ title }) => title)], ...rows]),
    '',
    machineOf(report),
    ...missing.map((text) => `Not measured: ${text}.`),
  ].join('\n');
}

/**
 * What was aimed at, and what was found: by the model, which remembers everything, and by its kernel layer, which does
 * the same work as the others.
 * @param {Report} report
 */
export function aims(report) {
  const cases = report.scenarios.flatMap((scenario) => scenario.cases);
  const result = (/** @type {string} */ name, /** @type {string} */ peer) =>
    cases.find((each) => each.name === name)?.contenders.find((each) => each.peer === peer);
  const median = (/** @type {string} */ name, /** @type {string} */ figure, /** @type {string} */ peer) =>
    result(name, peer)?.figures[figure]?.median ?? Number.NaN;
  /** @typedef {(own: string) => number} Finding */
  /** How many times as long as ours the other takes. @type {(...of: [string, string, string]) => Finding} */
  const faster = (name, figure, peer) => (own) => median(name, figure, peer) / median(name, figure, own);
  const growth = (/** @type {string} */ own) => median('scale-5000', 'attach', own) / median('scale-10', 'attach', own);
  const others = report.peers.filter(({ name }) =>
    ['walkthrough', 'shell', 'pyroute2', 'cni', 'netavark'].includes(name),
  );
  /** @type {[string, (found: number) => boolean, Finding][]} */
  const wanted = [
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
          `64 detached at once and gone: 15x as fast as ${title}`,
          (found) => found >= 15,
          faster('veth-64', 'gone', name),
        ]),
    ),
    [
      "network created: 20x as fast as the walk-through's commands",
      (found) => found >= 20,
      faster('network', 'create', 'walkthrough'),
    ],
    [
      'network created: at most 1.3 of the floor',
      (found) => found <= 1.3,
      (own) => 1 / faster('network', 'create', 'floor')(own),
    ],
    [
      'attach beside 5,000: at most 1.5 of that beside 10, where the floor grows as well: of its growth',
      (found) => found <= 1.5,
      (own) => growth(own) / growth('floor'),
    ],
  ];
  const judged = (/** @type {(found: number) => boolean} */ holds, /** @type {number} */ found) =>
    Number.isNaN(found) ? '' : `${times(found)} ${holds(found) ? 'met' : 'missed'}`;
  const rows = wanted.map(([aim, holds, found]) => [
    aim,
    ...['model', 'kernel'].map((own) => judged(holds, found(own))),
  ]);
  const loop = (/** @type {string} */ own, among = cases) => {
    const delays = among.flatMap((each) => result(each.name, own)?.eventLoop?.p99 ?? []);
    const worst = Math.max(...delays);
    return delays.length === 0 ? '' : `${ms(worst)} ms ${worst < 5 ? 'met' : 'missed'}`;
  };
  const storm = cases.filter(({ name }) => name === 'veth-1000');
  const idle = Math.max(...cases.flatMap((each) => result(each.name, 'floor')?.eventLoop?.p99 ?? []));
  const look = median('reconcile-500', 'reconcile', 'model');
  const looked = Number.isNaN(look) ? '' : `${ms(look)} ms ${look < 1000 ? 'met' : 'missed'}`;
  return [
    markdown([
      ['aim', 'vethwork', 'vethwork/kernel'],
      ...rows,
      ['500 unchanged networks reconciled: under 1 s, no write', looked, ''],
      ['event loop, worst p99 of any case: under 5 ms', loop('model'), loop('kernel')],
      [
        'event loop, p99 with 1,000 attached or detached at once: under 5 ms',
        loop('model', storm),
        loop('kernel', storm),
      ],
    ]),
    ...(Number.isFinite(idle)
      ? [`The event loop of an idle process, while the floor does the same: ${ms(idle)} ms (worst p99).`]
      : []),
    ...(Number.isNaN(growth('floor'))
      ? []
      : [
          `Attach beside 5,000, of what it takes beside 10: ${times(growth('floor'))} the floor, so the kernel grows; ` +
            `${times(growth('model'))} vethwork, ${times(growth('kernel'))} vethwork/kernel.`,
        ]),
  ].join('\n\n');
}

/**
 * Everything that was measured.
 * @param {Report} report
 */
export function allTables(report) {
  const titles = new Map(report.peers.map(({ name, title }) => [name, title]));
  const blocks = report.scenarios.flatMap(({ title, cases, facts }) => {
    const rows = cases.flatMap((each) => {
      const figures = [...new Set(each.contenders.flatMap((one) => Object.keys(one.figures)))];
      return figures.flatMap((figure) => {
        const base = each.contenders.find((one) => one.figures[figure] !== undefined)?.figures[figure];
        return each.contenders.flatMap(({ peer, figures: own, eventLoop }) => {
          const value = own[figure];
          if (value === undefined || base === undefined) return [];
          const optional = [value.p99, value.cpu, eventLoop?.p99].map((one) => (one === undefined ? '' : ms(one)));
          return [
            [
              `${each.title}: ${figure}`,
              titles.get(peer) ?? peer,
              ...[value.median, value.min, value.max].map(ms),
              times(value.median / base.median),
              ...optional,
              String(value.runs),
            ],
          ];
        });
      });
    });
    const failed = cases.flatMap((each) =>
      each.contenders.flatMap((one) =>
        one.failed === undefined ? [] : [`- ${each.title}, ${titles.get(one.peer) ?? one.peer}: ${one.failed}`],
      ),
    );
    const headers = ['', 'by', 'median', 'min', 'max', 'ratio', 'p99', 'CPU', 'loop p99', 'runs'];
    const noted = facts.map(({ name, value, unit }) => [name, `${Number(value.toPrecision(3))} ${unit}`.trim()]);
    return [
      `### ${title}`,
      ...(rows.length === 0 ? [] : [markdown([headers, ...rows])]),
      ...(noted.length === 0 ? [] : [markdown([['', 'value'], ...noted])]),
      ...(failed.length === 0 ? [] : [failed.join('\n')]),
    ];
  });
  return [machineOf(report), '### Aims', aims(report), ...blocks].join('\n\n');
}
