import { inspect, isDeepStrictEqual } from 'node:util';
import type { Host, Interface, Network } from '../api/types.js';
import { Capture, type Packet, type Tap } from './capture.js';
import type { Instance } from './instance.js';
import { type Check, wrap } from './report.js';
import type { Stage } from './stage.js';
import { attempt, inside, type Outcome } from './tools.js';

/** One section of the walk-through. */
export interface Chapter {
  title: string;
  /** Introduction, printed before the steps. */
  text: string;
  play(scene: Scene): Promise<void>;
}

/** An instance and its interface on the network. */
export interface Guest {
  instance: Instance;
  nic: Interface;
}

/** Context of the chapters: prints commands with their output, and records the checks. */
export class Scene {
  private chapter = '';
  private currentNetwork: Network | undefined;
  private readonly guests = new Map<string, Guest>();

  constructor(
    readonly stage: Stage,
    readonly host: Host,
    readonly signal: AbortSignal,
    private readonly output: {
      /** Print the commands of every check. */
      verbose: boolean;
      write: (text: string) => unknown;
      /** The results of the checks. */
      checks: Check[];
    },
  ) {}

  open(chapter: Chapter): void {
    this.chapter = chapter.title;
    this.output.write(`\n== ${chapter.title} ==\n`);
    this.say(chapter.text);
  }

  say(text: string): void {
    this.output.write(`\n${wrap(text)}\n\n`);
  }

  /**
   * Prints a call of the library as source code, and performs it.
   * @param code source code of the function, for example `network.attach`
   */
  async call<Result>(code: string, perform: () => Promise<Result>): Promise<Result>;
  async call<Options, Result>(
    code: string,
    perform: (argument: Options) => Promise<Result>,
    argument: Options,
  ): Promise<Result>;
  async call<Options, Result>(code: string, perform: (argument: Options) => Promise<Result>, argument?: Options) {
    this.signal.throwIfAborted();
    this.output.write(
      `> await ${code}(${argument === undefined ? '' : inspect(argument, { breakLength: Infinity })})\n`,
    );
    const result = await perform(argument as Options);
    this.signal.throwIfAborted();
    return result;
  }

  print(text: string): void {
    this.output.write(`${text.trimEnd()}\n`);
  }

  /** Runs a command in a namespace of the stage, prints it with its output, and resolves to its standard output. */
  async show(place: string, ...command: string[]): Promise<string> {
    return (await this.execute(true, place, command)).stdout;
  }

  /** Runs a command and resolves to its outcome. Prints it only with `--verbose`. */
  async ask(place: string, ...command: string[]): Promise<Outcome> {
    return this.execute(this.output.verbose, place, command);
  }

  check(name: string, passed: boolean, detail = ''): void {
    this.output.checks.push({ chapter: this.chapter, name, passed, ...(detail !== '' && { detail }) });
    this.output.write(`   ${passed ? 'ok    ' : 'FAILED'} ${name}${passed || detail === '' ? '' : `: ${detail}`}\n`);
  }

  equal(name: string, actual: unknown, expected: unknown): void {
    const passed = isDeepStrictEqual(actual, expected);
    this.check(name, passed, passed ? '' : `expected ${JSON.stringify(expected)}, got ${JSON.stringify(actual)}`);
  }

  /** Sends one ICMP echo request. `size` is the length of the IP packet, which is sent with "don't fragment". */
  async pings(place: string, address: string, size?: number): Promise<boolean> {
    const whole = size === undefined ? [] : ['-M', 'do', '-s', String(size - 28)];
    return (await this.ask(place, 'ping', '-c', '1', '-W', '2', ...whole, address)).code === 0;
  }

  /** Makes one HTTP request to port 8080 of the address, and resolves to the body. */
  async fetch(place: string, address: string): Promise<string> {
    const url = `http://${address}:8080/`;
    return (await this.ask(place, 'timeout', '4', 'busybox', 'wget', '-q', '-O', '-', url)).stdout.trim();
  }

  /** Captures packets at several points during an action, until a packet matches each pattern of `awaited`. */
  async listen(
    taps: Readonly<Record<string, Tap>>,
    filter: readonly string[],
    action: () => Promise<unknown>,
    awaited: Readonly<Record<string, RegExp>> = {},
  ): Promise<Record<string, Packet[]>> {
    const captures = new Map<string, Capture>();
    const seen: Record<string, Packet[]> = {};
    try {
      for (const [name, tap] of Object.entries(taps)) {
        captures.set(name, await Capture.start(tap, ...filter));
      }
      await action();
      // The checks of the caller report packets that were not captured.
      await Promise.allSettled(Object.entries(awaited).map(([name, pattern]) => captures.get(name)?.until(pattern)));
    } finally {
      for (const [name, capture] of captures) {
        seen[name] = await capture.stop();
      }
    }
    this.signal.throwIfAborted();
    for (const [name, packets] of Object.entries(seen)) {
      this.print(`tcpdump on ${name}: ${packets.length === 0 ? '(no packets)' : ''}`);
      for (const { source, destination, info } of packets) {
        this.print(`    ${source} > ${destination}: ${info}`);
      }
    }
    return seen;
  }

  /** The network of the walk-through. @throws Error before it is created */
  get network(): Network {
    if (this.currentNetwork === undefined) {
      throw new Error('there is no network yet');
    }
    return this.currentNetwork;
  }

  set network(network: Network) {
    this.currentNetwork = network;
  }

  /** UUID of the network; undefined before it is created. */
  get networkId(): string | undefined {
    return this.currentNetwork?.uuid;
  }

  guest(name: string): Guest {
    const guest = this.guests.get(name);
    if (guest === undefined) {
      throw new Error(`there is no instance ${name} yet`);
    }
    return guest;
  }

  addGuest(guest: Guest): void {
    this.guests.set(guest.instance.name, guest);
  }

  private async execute(visible: boolean, place: string, command: string[]): Promise<Outcome> {
    const netns = this.stage.record.namespaces[place];
    if (netns === undefined) {
      throw new Error(`unknown namespace ${place}`);
    }
    const outcome = await attempt(inside(netns, ...command), this.signal);
    if (visible) {
      this.print(`${place}$ ${command.join(' ')}`);
      this.print(outcome.stdout + outcome.stderr);
    }
    return outcome;
  }
}
