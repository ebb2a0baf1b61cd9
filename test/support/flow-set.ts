import type { ChildProcess } from 'node:child_process';
import { eventually, type TestNamespace } from './namespaces.js';
import { PYTHON } from './scapy.js';

/**
 * Many TCP connections in one process. The server echoes lines, and sends a line to all of its connections when told to.
 * The client counts the connections that answer.
 */
const SERVER = `
import selectors, socket, sys
port = int(sys.argv[1])
listener = socket.create_server(("0.0.0.0", port), backlog=512)
selector = selectors.DefaultSelector()
selector.register(listener, selectors.EVENT_READ)
selector.register(sys.stdin, selectors.EVENT_READ)
clients = []
print("ready", flush=True)
while True:
    for key, _ in selector.select():
        one = key.fileobj
        if one is listener:
            client, _ = listener.accept()
            clients.append(client)
            selector.register(client, selectors.EVENT_READ)
        elif one is sys.stdin:
            line = sys.stdin.readline()
            for client in clients:
                try:
                    client.sendall(line.encode())
                except OSError:
                    pass
            print("sent " + line.strip(), flush=True)
        else:
            try:
                data = one.recv(4096)
            except OSError:
                data = b""
            if data:
                one.sendall(data)
            else:
                selector.unregister(one)
                clients.remove(one)
                one.close()
`;

const CLIENT = `
import selectors, socket, sys, time
host, port, first, count, patience = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5])
selector = selectors.DefaultSelector()
heard = {}
for index in range(count):
    one = socket.socket()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    one.bind(("0.0.0.0", first + index))
    one.settimeout(10)
    one.connect((host, port))
    one.setblocking(False)
    selector.register(one, selectors.EVENT_READ)
    heard[one] = b""
print("connected", flush=True)
for line in sys.stdin:
    verb, word = line.split()
    wanted = (word + "\\n").encode()
    if verb == "ask":
        for one in heard:
            try:
                one.sendall(wanted)
            except OSError:
                pass
    end = time.monotonic() + patience
    while time.monotonic() < end and not all(wanted in data for data in heard.values()):
        for key, _ in selector.select(0.05):
            try:
                data = key.fileobj.recv(4096)
            except OSError:
                data = b""
            heard[key.fileobj] += data
            if not data:
                selector.unregister(key.fileobj)
    print("%s %s %d" % (verb, word, sum(wanted in data for data in heard.values())), flush=True)
`;

/** A program that reads lines and answers each. */
class LineProgram implements AsyncDisposable {
  readonly #child: ChildProcess;
  #output = '';

  constructor(at: TestNamespace, program: string, ...args: string[]) {
    this.#child = at.spawn(PYTHON, ['-c', program, ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#output += text;
    });
  }

  write(line: string): void {
    this.#child.stdin?.write(`${line}\n`);
  }

  /** The first match in the output. */
  async until(pattern: RegExp): Promise<RegExpExecArray> {
    const found = await eventually(() => {
      if (this.#child.exitCode !== null) throw new Error(`the program ended: ${this.#output}`);
      return pattern.exec(this.#output);
    }, 15_000);
    return found as RegExpExecArray;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once('close', resolve));
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill('SIGKILL');
    await ended;
  }
}

export class FlowServer implements AsyncDisposable {
  private constructor(private readonly program: LineProgram) {}

  static async open(at: TestNamespace, port: number): Promise<FlowServer> {
    const program = new LineProgram(at, SERVER, String(port));
    await program.until(/ready/);
    return new FlowServer(program);
  }

  /** Sends a word to all connections. */
  async send(word: string): Promise<void> {
    this.program.write(word);
    await this.program.until(new RegExp(`sent ${word}`));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.program[Symbol.asyncDispose]();
  }
}

export class FlowSet implements AsyncDisposable {
  private constructor(private readonly program: LineProgram) {}

  /** Opens connections from consecutive ports. @param patience seconds to wait for answers */
  static async open(
    from: TestNamespace,
    to: readonly [address: string, port: number],
    { first, count, patience }: { first: number; count: number; patience: number },
  ): Promise<FlowSet> {
    const numbers = [to[1], first, count, patience].map(String);
    const program = new LineProgram(from, CLIENT, to[0], ...numbers);
    await program.until(/connected/);
    return new FlowSet(program);
  }

  /** Number of connections on which the word is echoed. */
  ask(word: string): Promise<number> {
    return this.#count('ask', word);
  }

  /** Number of connections on which the server's word has arrived. */
  hear(word: string): Promise<number> {
    return this.#count('hear', word);
  }

  async #count(verb: string, word: string): Promise<number> {
    this.program.write(`${verb} ${word}`);
    const [, count] = await this.program.until(new RegExp(`${verb} ${word} (\\d+)`));
    return Number(count);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.program[Symbol.asyncDispose]();
  }
}
