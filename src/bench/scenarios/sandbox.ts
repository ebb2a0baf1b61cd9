import { createServer, get, type Server } from 'node:http';
import type { Server as TcpServer } from 'node:net';
import { performance } from 'node:perf_hooks';
import { text } from 'node:stream/consumers';
import type { Kernel } from '../../kernel/index.js';
import type { CaseResult, ContenderResult, Entrant, Figure } from '../measure.js';
import type { Fact, Scenario, Setting } from '../scenario.js';
import { type Slot, uplink } from '../stage.js';
import { withTail } from '../statistics.js';
import { readState, VerificationError, verifyGone } from '../verify.js';

/** Number of concurrent workers. */
const WORKERS = 64;
const QUICK_WORKERS = 8;
/** Number of turns of each contender, and the duration of a turn in milliseconds. */
const TURNS = 2;
const TURN = 4000;
const QUICK_TURN = 500;

const STEPS = ['create namespace', 'attach', 'request', 'detach', 'delete namespace', 'life'] as const;
type StepName = (typeof STEPS)[number];

/** Results of one contender. */
interface Tally {
  entrant: Entrant;
  /** Durations in milliseconds. */
  durations: Record<StepName, number[]>;
  /** Total duration in milliseconds. */
  spent: number;
  failed?: string;
}

let born = 0;

/** The life of a sandbox: a namespace, an interface, an HTTP request through NAT, and the removal of both. */
export const sandbox: Scenario = {
  name: 'sandbox',
  title: 'Lives of sandboxes: namespace, attach, HTTP request through NAT, detach, delete the namespace',
  run: async (setting) => {
    const able = setting.entrants.filter(({ peer, contender }) => peer.inProcess && contender.lan.outside);
    if (able.length === 0) return { cases: [] };
    const tallies = able.map(
      (entrant): Tally => ({
        entrant,
        durations: Object.fromEntries(STEPS.map((step) => [step, []])) as unknown as Tally['durations'],
        spent: 0,
      }),
    );
    const outside = await Outside.open(setting.stage.kernel);
    try {
      for (let turn = 0; turn < (setting.quick ? 1 : TURNS); turn++) {
        for (const tally of tallies.filter(({ failed }) => failed === undefined)) {
          setting.signal.throwIfAborted();
          setting.progress(`sandbox: turn ${turn + 1}, ${tally.entrant.peer.title}`);
          await runTurn(setting, tally, outside);
        }
      }
    } finally {
      outside.close();
    }
    const workers = setting.quick ? QUICK_WORKERS : WORKERS;
    const result: CaseResult = { name: 'sandbox', title: `${workers} workers`, contenders: tallies.map(toResult) };
    return { cases: [result], facts: tallies.flatMap(toFacts) };
  },
};

/** Runs one turn of a contender: each worker lives one life after the other until the time is over. */
async function runTurn(setting: Setting, tally: Tally, outside: Outside): Promise<void> {
  const { stage, quick } = setting;
  const { contender } = tally.entrant;
  const workers = Array.from({ length: quick ? QUICK_WORKERS : WORKERS });
  try {
    const before = await readState(contender);
    // Warm-up: one life of each worker.
    await Promise.all(workers.map(() => live(setting, tally.entrant, outside)));
    const start = performance.now();
    const end = start + (quick ? QUICK_TURN : TURN);
    await Promise.all(
      workers.map(async () => {
        while (performance.now() < end) {
          const took = await live(setting, tally.entrant, outside);
          for (const step of STEPS) tally.durations[step].push(took[step]);
        }
      }),
    );
    tally.spent += performance.now() - start;
    await contender.drain?.();
    await verifyGone(contender, [], before);
  } catch (error) {
    tally.failed = `failed: ${(error as Error).message}`;
    await stage.clear();
  }
}

/** One life. @returns the duration of each step */
async function live(
  { stage: { kernel } }: Setting,
  { contender }: Entrant,
  outside: Outside,
): Promise<Record<StepName, number>> {
  const name = `sandbox${born++}`;
  const slot: Slot = { number: 0, netns: name, device: name, address: '' };
  const durations: number[] = [];
  const begun = performance.now();
  const step = async (work: () => Promise<unknown> | undefined) => {
    const start = performance.now();
    await work();
    durations.push(performance.now() - start);
  };
  await step(() => kernel.transaction([{ op: 'namespace.add', name }]));
  try {
    await step(() => contender.attach?.([slot]));
    await step(() => outside.request(name));
    await step(() => contender.detach?.([slot]));
  } finally {
    await step(() => remove(kernel, name));
  }
  durations.push(performance.now() - begun);
  return Object.fromEntries(STEPS.map((each, index) => [each, durations[index] as number])) as Record<StepName, number>;
}

async function remove(kernel: Kernel, name: string): Promise<void> {
  const errors = await kernel.teardown([{ op: 'namespace.delete', name }]);
  if (errors.length > 0) throw new AggregateError(errors, `delete ${name}`);
}

/** A web server outside, and the client of the sandboxes. Both run in this process. */
class Outside {
  private constructor(
    private readonly kernel: Kernel,
    private readonly http: Server,
    private readonly tcp: TcpServer,
    private readonly port: number,
  ) {}

  static async open(kernel: Kernel): Promise<Outside> {
    const http = createServer(({ socket, url }, response) => {
      response.setHeader('connection', 'close');
      response.end(`${url} ${socket.remoteAddress}`);
    });
    const tcp = await kernel.listen({ netns: 'outside', address: uplink.outside, port: 0 });
    tcp.on('connection', (socket) => http.emit('connection', socket));
    const place = tcp.address();
    if (place === null || typeof place === 'string') throw new Error('the web server has no port');
    return new Outside(kernel, http, tcp, place.port);
  }

  /** @throws VerificationError if another response arrives, or the request was not translated */
  async request(netns: string): Promise<void> {
    const socket = await this.kernel.dial({ netns, address: uplink.outside, port: this.port });
    const own = socket.localAddress;
    const body = await new Promise<string>((resolve, reject) => {
      const options = { createConnection: () => socket, path: `/${netns}`, host: uplink.outside };
      get(options, (response) => text(response).then(resolve, reject)).once('error', reject);
    });
    const [path, from] = body.split(' ');
    if (path !== `/${netns}`) throw new VerificationError(`the response to ${netns} is ${body}`);
    if (from === undefined || from === own) throw new VerificationError(`${netns} was not translated: ${own}`);
  }

  close(): void {
    this.tcp.close();
    this.http.closeAllConnections();
  }
}

function toResult({ entrant, durations, failed }: Tally): ContenderResult {
  const { name: peer } = entrant.peer;
  if (failed !== undefined) return { peer, figures: {}, failed };
  const figures = STEPS.map((step): [string, Figure] => [step, withTail(durations[step])]);
  return { peer, figures: Object.fromEntries(figures) };
}

function toFacts({ entrant, durations, spent, failed }: Tally): Fact[] {
  if (failed !== undefined) return [];
  return [{ name: `lives, ${entrant.peer.title}`, value: durations.life.length / (spent / 1000), unit: 'per second' }];
}
