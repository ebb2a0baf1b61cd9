/**
 * Kills processes that create, attach, float, route, detach, delete and migrate, at random times and at boundaries of steps.
 * The next process opens the host. After that, the state must match the records. A simulated failure of the machine also loses
 * all writes of the log since its last flush.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { openLmdbStore } from '../../src/store/lmdb.js';
import { TestHost } from '../support/host.js';
import { lastFindings } from '../support/namespaces.js';
import { processes } from '../support/processes.js';
import { audit, type Stage } from './audit.js';
import { type Campaign, runCampaign } from './campaign.js';
import type { Doom, Message, Order } from './crash-child.js';
import { failMachine } from './crash-machine.js';
import { killMigrations } from './crash-migration.js';
import { entriesOf } from './look.js';
import { Random } from './random.js';

const CHILD = fileURLToPath(new URL('crash-child.js', import.meta.url));
const MACHINE = fileURLToPath(new URL('crash-machine-child.js', import.meta.url));
const MOVER = fileURLToPath(new URL('crash-migration-child.js', import.meta.url));
/** Timeout in milliseconds for each step of a child. Exceeding it means that the child hangs. */
const PATIENCE = 60_000;
/** Maximum lifetime of a process, in milliseconds. */
const LONGEST_LIFE = 150;
/** Number of killed migrations. */
const MIGRATIONS = 30;
/** Number of simulated failures of a machine. */
const FAILURES = 30;
/** Number of concurrent hosts. */
const LANES = 3;

class Child {
  readonly #process: ChildProcess;
  readonly #ended: Promise<unknown>;
  readonly #messages: Message[] = [];

  constructor(readonly onSurprise: (text: string) => void) {
    this.#process = fork(CHILD, { env: { ...process.env, VETHWORK_FAULTS: '1' }, stdio: ['ignore', 2, 2, 'ipc'] });
    this.#ended = once(this.#process, 'exit');
    this.#process.on('message', (message: Message) => {
      if (message.event === 'surprise') onSurprise(message.text);
      else this.#messages.push(message);
    });
  }

  tell(order: Order): void {
    this.#process.send(order, () => undefined);
  }

  /** Resolves to the message, or to undefined if the child ends first. */
  async hear<Event extends Message['event']>(event: Event): Promise<Extract<Message, { event: Event }> | undefined> {
    const end = Date.now() + PATIENCE;
    for (;;) {
      const heard = this.#messages.find((message) => message.event === event);
      if (heard !== undefined) return heard as Extract<Message, { event: Event }>;
      if (this.hasEnded) return undefined;
      if (Date.now() > end) throw new Error(`a process hangs: no "${event}" after ${PATIENCE} ms`);
      await Promise.race([once(this.#process, 'message'), this.#ended, sleep(1000)]);
    }
  }

  get hasEnded(): boolean {
    return this.#process.exitCode !== null || this.#process.signalCode !== null;
  }

  /** Kills the child after a delay, unless it has killed itself. Resolves when the child has ended. */
  async killAfter(milliseconds: number): Promise<void> {
    await Promise.race([this.#ended, sleep(milliseconds)]);
    this.#process.kill('SIGKILL');
    await this.#ended;
  }
}

const sleep = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Totals of all hosts. */
let kills = 0;

interface Kills {
  instants: number;
  boundaries: number;
  messages: number;
  repair: number;
}

async function runLane(campaign: Campaign, lane: number, random: Random): Promise<Kills> {
  const machine = await TestHost.create({ deletionHalo: 1000 });
  const guests = [(await machine.guest()).name, (await machine.guest()).name];
  const devices = ['dev0', 'dev1'];
  await machine.node.ip('link', 'add', 'dev0', 'type', 'veth', 'peer', 'name', 'dev1');
  const store = await openLmdbStore(machine.options.stateDir);
  const stage: Stage = {
    store,
    state: machine.options.stateDir,
    node: machine.node.name,
    guests,
    links: ['lo', 'eth0', ...devices],
    prefix: `c4${lane}${campaign.seed.toString(16).padStart(8, '0').slice(-5)}`,
  };
  try {
    return await killOnAndOn({ campaign, random, machine, stage, devices });
  } finally {
    await store.close();
    await machine.open();
    await machine.remove();
    for (const left of await leftovers(stage)) campaign.finding(`in the end: ${left}`);
  }
}

interface Lane {
  campaign: Campaign;
  random: Random;
  machine: TestHost;
  stage: Stage;
  devices: string[];
}

async function killOnAndOn({ campaign, random, machine, stage, devices }: Lane): Promise<Kills> {
  const tally: Kills = { instants: 0, boundaries: 0, messages: 0, repair: 0 };
  const start = () => new Child((text) => campaign.finding(`an error: ${text}`));
  let next = start();
  for (let cycle = 0; ; cycle++) {
    const child = next;
    const last = campaign.expired(kills);
    next = start();
    await child.hear('ready');
    const early = !last && random.chance(0.25);
    if (early) {
      const doom = chooseDoom(random.pick(['instant', 'boundary', 'message']), 30, random);
      child.tell({ order: 'open', options: machine.options, doom });
      await child.killAfter(doom === undefined ? random.next() * 60 : 100);
      tally.repair++;
      kills++;
      continue;
    }
    child.tell({ order: 'open', options: machine.options });
    const opened = await child.hear('open');
    if (opened === undefined) {
      campaign.finding('a process ended while it opened the host');
      continue;
    }
    for (const text of opened.repairs) campaign.finding(`after ${cycle} kills, still to be repaired: ${text}`);
    // The open host refills pools in the background.
    const found = await lastFindings(() => audit(stage), 10_000);
    for (const text of found) campaign.finding(`after ${cycle} kills: ${text}`);
    if (last || campaign.findings.length > 20) {
      await child.killAfter(0);
      await next.killAfter(0);
      return tally;
    }
    const mode = random.pick(['instant', 'boundary', 'message'] as const);
    const doom = chooseDoom(mode, 80, random);
    child.tell({ order: 'act', seed: random.fork(), guests: [...stage.guests], devices, prefix: stage.prefix, doom });
    // A process that kills itself may not report it.
    const acting = await child.hear('acting');
    if (acting === undefined && doom === undefined) campaign.finding('a process ended before it did anything');
    await child.killAfter(doom === undefined ? random.next() * LONGEST_LIFE : 2 * LONGEST_LIFE);
    kills++;
    if (mode === 'instant') tally.instants++;
    else if (mode === 'boundary') tally.boundaries++;
    else tally.messages++;
  }
}

function chooseDoom(mode: string | undefined, most: number, random: Random): Doom | undefined {
  if (mode !== 'boundary' && mode !== 'message') return undefined;
  return { at: mode, count: random.integer(1, most) };
}

/** Leftovers on the machine after the teardown of the host. */
async function leftovers({ prefix, state }: Stage): Promise<string[]> {
  const namespaces = (await readdir('/run/netns')).filter((name) => name.startsWith(prefix));
  const running = await processes(`conf-file=.*/${prefix}`);
  return [...namespaces, ...running, ...(await entriesOf(state))];
}

await runCampaign('crash', 240, async (campaign) => {
  const lanes = Array.from({ length: LANES }, () => new Random(campaign.random.fork()));
  const moves = new Random(campaign.random.fork());
  const power = new Random(campaign.random.fork());
  const [moved, failed, ...counts] = await Promise.all([
    killMigrations(MOVER, campaign, moves, MIGRATIONS).then((moved) => {
      kills += moved;
      return moved;
    }),
    failMachine(MACHINE, campaign, power, FAILURES),
    ...lanes.map((random, lane) => runLane(campaign, lane, random)),
  ]);
  const sum = (kind: keyof Kills) => counts.reduce((total, count) => total + count[kind], 0);
  const [instants, boundaries, messages, repair] = [sum('instants'), sum('boundaries'), sum('messages'), sum('repair')];
  return {
    kills: instants + boundaries + messages + repair + moved,
    'at random instants': instants,
    'at boundaries of steps': boundaries,
    'between messages': messages,
    'during repair': repair,
    'while moving into a cluster': moved,
    'failures of the machine': failed,
  };
});
