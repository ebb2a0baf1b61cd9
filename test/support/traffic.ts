import type { ChildProcess } from 'node:child_process';
import { type Background, inside, start } from '../../src/demo/tools.js';
import { NotRunError } from './attempt.js';
import { eventually, type TestNamespace } from './namespaces.js';
import { ping } from './ping.js';

/** Timeout in seconds. Checks that expect no packet wait for this time. */
const PATIENCE = 2;

export const TCP = 8080;
export const UDP = 9090;

/** Sends one ICMP echo request. `size`: length of the IP packet, sent with "don't fragment". */
export function pings(from: TestNamespace, address: string, size?: number): Promise<boolean> {
  const whole = size === undefined ? [] : ['-M', 'do', '-s', String(size - 28)];
  return ping(from, address, '-W', String(PATIENCE), ...whole);
}

/** Starts a TCP server that sends a name and the client's address. The caller stops it. */
export async function serveTcp(at: TestNamespace, name: string, port = TCP): Promise<Background> {
  const server = start(
    inside(
      at.name,
      'socat',
      '-d',
      '-d',
      `TCP4-LISTEN:${port},fork,reuseaddr`,
      `SYSTEM:echo ${name} sees $SOCAT_PEERADDR`,
    ),
  );
  await server.until(/listening on/);
  return server;
}

type Connection = 'open' | 'refused' | 'silent';

/** Messages of `socat` about the connection attempt; the first match decides. Other output is an error. */
const CONNECTIONS: readonly [RegExp, Connection][] = [
  [/successfully connected|starting data transfer/, 'open'],
  [/Connection refused|Operation not permitted/, 'refused'],
  [/timed out|No route to host/, 'silent'],
];

/**
 * Opens one TCP connection and reads the server's data until it is closed.
 * @param options of socat, such as `bind=10.0.0.1`
 * @throws NotRunError if no connection can be tried, for example without a route
 */
async function connectTcp(from: TestNamespace, address: string, port: number, options: string[]) {
  const target = [`TCP4:${address}:${port}`, `connect-timeout=${PATIENCE}`, ...options].join();
  const client = ['socat', '-d', '-d', '-u', target, '-'];
  const { stdout, stderr } = await from.attempt('timeout', String(2 * PATIENCE), ...client);
  const connection = CONNECTIONS.find(([pattern]) => pattern.test(stderr))?.[1];
  if (connection === undefined) throw new NotRunError(`${client.join(' ')} in ${from.name}: ${stderr}`);
  return { connection, said: stdout.trim() };
}

/** Result of a TCP connection attempt: established, refused, or no response. */
export async function knock(from: TestNamespace, address: string, port: number): Promise<Connection> {
  return (await connectTcp(from, address, port, [])).connection;
}

/** Data of the server on one TCP connection; empty only without a connection. */
export async function askTcp(from: TestNamespace, address: string, port = TCP, ...options: string[]): Promise<string> {
  const { connection, said } = await connectTcp(from, address, port, options);
  return connection === 'open' ? said || '(connected to one that says nothing)' : '';
}

/** Starts an echo server that prefixes each line with a name: one long connection (TCP) or datagrams (UDP). */
export async function serveEcho(at: TestNamespace, name: string, protocol: 'tcp' | 'udp'): Promise<Background> {
  const listen = protocol === 'tcp' ? `TCP4-LISTEN:${TCP + 1},fork,reuseaddr` : `UDP4-RECVFROM:${UDP},fork,reuseaddr`;
  const server = start(inside(at.name, 'socat', '-d', '-d', listen, `EXEC:sed -u s/^/${name}-/`));
  await (protocol === 'tcp'
    ? server.until(/listening on/)
    : eventually(async () => (await at.run('ss', '-Hlun', `sport = :${UDP}`)).trim() !== ''));
  return server;
}

/** A long-lived flow: one TCP connection, or datagrams from one source port. */
export class Flow implements AsyncDisposable {
  readonly #child: ChildProcess;
  #heard = '';
  #lines = 0;

  constructor(from: TestNamespace, address: string, protocol: 'tcp' | 'udp', sourcePort: number) {
    const target = protocol === 'tcp' ? `TCP4:${address}:${TCP + 1}` : `UDP4:${address}:${UDP}`;
    this.#child = from.spawn('socat', ['-', `${target},sourceport=${sourcePort},reuseaddr`], {
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#heard += text;
    });
    // The program ends when the connection is reset.
    this.#child.stdin?.on('error', () => undefined);
  }

  /** Sends a line and waits for the echo. Resolves to the name of the server, or undefined without a reply. */
  async ask(): Promise<string | undefined> {
    const line = `line${++this.#lines}`;
    this.#child.stdin?.write(`${line}\n`);
    const answer = () => new RegExp(`(\\w+)-${line}\\n`).exec(this.#heard)?.[1];
    return eventually(answer, PATIENCE * 1000).catch(() => undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once('close', resolve));
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      this.#child.kill('SIGKILL');
      await ended;
    }
  }
}

/** tcpdump on a device. */
export class Ear implements AsyncDisposable {
  private constructor(private readonly tcpdump: Background) {}

  static async open(namespace: TestNamespace, device: string, ...filter: string[]): Promise<Ear> {
    const tcpdump = start(inside(namespace.name, 'tcpdump', '--immediate-mode', '-lnteq', '-i', device, ...filter));
    await tcpdump.until(/listening on/);
    return new Ear(tcpdump);
  }

  /** Resolves when a captured line matches; rejects after the timeout. */
  until(pattern: RegExp, timeout?: number): Promise<void> {
    return this.tcpdump.until(pattern, timeout);
  }

  /** Captured frames, one line each. */
  async close(): Promise<string[]> {
    // tcpdump may not yet have printed the last frames.
    await new Promise((resolve) => setTimeout(resolve, 200));
    return (await this.tcpdump.stop()).split('\n').filter(Boolean);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.tcpdump.stop();
  }
}

/** Captures at several points during an action. Resolves to the captured frames of each point. */
export async function listen<Place extends string>(
  places: Readonly<Record<Place, readonly [TestNamespace, string]>>,
  filter: string,
  action: () => Promise<unknown>,
): Promise<Record<Place, string[]>> {
  const names = Object.keys(places) as Place[];
  const ears = await Promise.all(
    names.map(async (name) => [name, await Ear.open(places[name][0], places[name][1], filter)] as const),
  );
  try {
    await action();
  } catch (error) {
    await Promise.all(ears.map(([, ear]) => ear.close()));
    throw error;
  }
  const heard = await Promise.all(ears.map(async ([name, ear]) => [name, await ear.close()] as const));
  return Object.fromEntries(heard) as Record<Place, string[]>;
}
