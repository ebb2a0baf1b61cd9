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
  /** What the section says, before anything happens. */
  text: string;
  play(scene: Scene): Promise<void>;
}

/** An instance and its interface on the network. */
export interface Guest {
  instance: Instance;
  nic: Interface;
}

/** Runs the steps of the chapters: prints commands with their output, and checks the results. */
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
   * Shows a call of the library, as a user would write it, and makes it.
   * @param code the call up to its argument, for example `network.attach`
   */
  async call<Result>(code: string, make: () => Promise<Result>): Promise<Result>;
  async call<Options, Result>(
    code: string,
    make: (argument: Options) => Promise<Result>,
    argument: Options,
  ): Promise<Result>;
  async call<Options, Result>(code: string, make: (argument: Options) => Promise<Result>, argument?: Options) {
    this.signal.throwIfAborted();
    this.output.write(
      `> await ${code}(${argument === undefined ? '' : inspect(argument, { breakLength: Infinity })})\n`,
    );
    const result = await make(argument as Options);
    this.signal.throwIfAborted();
    return result;
  }

  print(text: string): void {
    this.output.write(`${text.trimEnd()}\n`);
  }

  /** Runs a command in one of the stage's namespaces, shows it and its output, and gives its standard output. */
  async show(place: string, ...command: string[]): Promise<string> {
    return (await this.execute(true, place, command)).stdout;
  }

  /** As `show`, but seen only with `--verbose`; for its exit code. */
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

  /** One echo from a place; `size` is that of the whole packet, which must not be cut. */
  async pings(place: string, address: string, size?: number): Promise<boolean> {
    const whole = size === undefined ? [] : ['-M', 'do', '-s', String(size - 28)];
    return (await this.ask(place, 'ping', '-c', '1', '-W', '2', ...whole, address)).code === 0;
  }

  /** One TCP connection from a place: what the web server at the address says. */
  async fetch(place: string, address: string): Promise<string> {
    const url = `http://${address}:8080/`;
    return (await this.ask(place, 'timeout', '4', 'busybox', 'wget', '-q', '-O', '-', url)).stdout.trim();
  }

  /** Listens at several places while something happens, until each of `awaited` has seen a packet that matches. */
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
      // What was never seen is for the caller's checks to tell.
      await Promise.allSettled(Object.entries(awaited).map(([name, pattern]) => captures.get(name)?.until(pattern)));
    } finally {
      for (const [name, capture] of captures) {
        seen[name] = await capture.stop();
      }
    }
    this.signal.throwIfAborted();
    for (const [name, packets] of Object.entries(seen)) {
      this.print(`tcpdump on ${name}: ${packets.length === 0 ? '(nothing)' : ''}`);
      for (const { source, destination, what } of packets) {
        this.print(`    ${source} > ${destination}: ${what}`);
      }
    }
    return seen;
  }

  /** The network of the story, once chapter one has made it. */
  get network(): Network {
    if (this.currentNetwork === undefined) {
      throw new Error('there is no network yet');
    }
    return this.currentNetwork;
  }

  set network(network: Network) {
    this.currentNetwork = network;
  }

  /** Its UUID; undefined before there is one. */
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
      throw new Error(`there is no place ${place}`);
    }
    const outcome = await attempt(inside(netns, ...command), this.signal);
    if (visible) {
      this.print(`${place}$ ${command.join(' ')}`);
      this.print(outcome.stdout + outcome.stderr);
    }
    return outcome;
  }
}
