import { once } from 'node:events';
import { connect as connectHttp2, createServer as createHttp2Server, type ServerHttp2Stream } from 'node:http2';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** Listens on a free port. */
async function listen(server: Server | ReturnType<typeof createHttp2Server>): Promise<string> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** A TCP proxy that can simulate a network failure: connections stay open, and no data passes until it is restored. */
export class TestWire implements AsyncDisposable {
  readonly #requests = new Set<Socket>();
  readonly #answers = new Set<Socket>();
  readonly #held = new Set<Set<Socket>>();
  readonly #server: Server;
  #cue: string | undefined;
  url = '';

  private constructor(target: string) {
    const { hostname, port } = new URL(target);
    this.#server = createServer((near) => {
      const far = connect(Number(port), hostname);
      this.#join(near, far, this.#requests);
      this.#join(far, near, this.#answers);
    });
  }

  static async to(target: string): Promise<TestWire> {
    const wire = new TestWire(target);
    wire.url = await listen(wire.#server);
    return wire;
  }

  cut(): void {
    this.#hold(this.#requests, this.#answers);
  }

  /** Requests pass. After a request that contains this text, responses are dropped. */
  loseAnswersTo(text: string): void {
    this.#cue = text;
  }

  mend(): void {
    this.#cue = undefined;
    this.#held.clear();
    for (const socket of [...this.#requests, ...this.#answers]) socket.resume();
  }

  #hold(...sides: Set<Socket>[]): void {
    for (const side of sides) {
      this.#held.add(side);
      for (const socket of side) socket.pause();
    }
  }

  #join(from: Socket, to: Socket, side: Set<Socket>): void {
    side.add(from);
    from.on('data', (data) => {
      if (this.#cue !== undefined && side === this.#requests && data.includes(this.#cue)) this.#hold(this.#answers);
      to.write(data);
    });
    from.on('error', () => to.destroy());
    from.on('close', () => {
      side.delete(from);
      to.destroy();
    });
    if (this.#held.has(side)) from.pause();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.mend();
    for (const socket of [...this.#requests, ...this.#answers]) socket.destroy();
    await once(this.#server.close(), 'close');
  }
}

/** An HTTP/2 proxy of etcd that can stall watches, while other requests pass. */
export class TestGateway implements AsyncDisposable {
  readonly #server = createHttp2Server();
  readonly #watches = new Set<{ pause(): unknown }>();
  readonly #sessions = new Set<{ destroy(): void }>();
  url = '';

  static async to(target: string): Promise<TestGateway> {
    const gateway = new TestGateway();
    gateway.#server.on('session', (near) => {
      const far = connectHttp2(target);
      for (const session of [near, far]) {
        gateway.#sessions.add(session);
        session.on('error', () => undefined);
        session.on('close', () => {
          for (const each of [near, far]) {
            gateway.#sessions.delete(each);
            each.destroy();
          }
        });
      }
      near.on('stream', (stream, { ':path': path, ...headers }) => {
        const answer = far.request({ ...headers, ':path': path });
        if (path?.endsWith('/Watch')) gateway.#watches.add(answer);
        answer.on('close', () => gateway.#watches.delete(answer));
        relay(stream, answer);
      });
    });
    gateway.url = await listen(gateway.#server);
    return gateway;
  }

  /** Stops the events of the current watches. Connections stay open and respond. */
  stall(): void {
    for (const watch of this.#watches) watch.pause();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const session of this.#sessions) session.destroy();
    await once(this.#server.close(), 'close');
  }
}

function relay(stream: ServerHttp2Stream, answer: ReturnType<ReturnType<typeof connectHttp2>['request']>): void {
  let trailers: Record<string, unknown> = {};
  stream.on('wantTrailers', () => stream.sendTrailers(trailers as never));
  answer.on('response', ({ ':status': status, ...headers }, flags) => {
    const endStream = (flags & 1) === 1;
    stream.respond({ ':status': status, ...headers }, endStream ? { endStream } : { waitForTrailers: true });
  });
  answer.on('trailers', (headers) => {
    trailers = headers;
  });
  stream.on('data', (data) => answer.write(data));
  stream.on('end', () => answer.end());
  stream.on('error', () => undefined);
  stream.on('close', () => answer.close());
  answer.on('data', (data) => stream.write(data));
  answer.on('error', () => undefined);
  // The trailers are known at the end of the stream.
  answer.on('close', () => stream.end());
}
