import { createSocket, type Socket as DatagramSocket } from 'node:dgram';
import { closeSync } from 'node:fs';
import { createServer, isIPv6, type Server, type ServerOpts, Socket } from 'node:net';
import { ValidationError } from '../errors.js';
import type { NamespaceRef } from './namespace.js';

/** A local or remote socket address in a namespace. */
export interface Endpoint {
  /** Network namespace. Default: that of this process. */
  netns?: NamespaceRef | undefined;
  /** IPv4 or IPv6 address. */
  address: string;
  /** 1 to 65535; 0 for `listen` and `bind` lets the kernel choose. */
  port: number;
}

export interface DialOptions extends Endpoint {
  /** Time-out in milliseconds, 1 to 600,000, with the error ETIMEDOUT. Default 10,000. */
  timeout?: number;
}

export interface ListenOptions extends Endpoint {
  /** Maximum of connections that wait to be accepted. Default 511. */
  backlog?: number;
  /** Options of `net.createServer`. */
  server?: ServerOpts;
}

/** Opens a socket in a namespace. The caller owns the descriptor. */
export type OpenDescriptor = (
  request: { op: 'socket.connect' | 'socket.bind' } & Record<string, unknown>,
) => Promise<number>;

/** Opens a TCP connection from a namespace. */
export async function dial(open: OpenDescriptor, options: DialOptions): Promise<Socket> {
  const { netns, address, port, timeout } = options;
  const fd = await open({ op: 'socket.connect', netns, address, port, timeout });
  try {
    return new Socket({ fd, readable: true, writable: true });
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** Starts a TCP server in a namespace. */
export async function listen(open: OpenDescriptor, options: ListenOptions): Promise<Server> {
  const { netns, address, port, backlog } = options;
  // Validates the options before the descriptor is opened.
  const server = makeServer(options.server);
  const fd = await open({ op: 'socket.bind', kind: 'tcp', netns, address, port, backlog });
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ fd }, () => {
        server.off('error', reject);
        resolve();
      });
    });
    return server;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

function makeServer(options: ServerOpts = {}): Server {
  try {
    return createServer(options);
  } catch {
    throw new ValidationError('server', options, "options of node's net.createServer");
  }
}

/** Opens a UDP socket bound in a namespace. */
export async function bind(open: OpenDescriptor, options: Endpoint): Promise<DatagramSocket> {
  const { netns, address, port } = options;
  const fd = await open({ op: 'socket.bind', kind: 'udp', netns, address, port });
  const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4');
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.bind({ fd }, () => {
        socket.off('error', reject);
        resolve();
      });
    });
    return socket;
  } catch (error) {
    socket.close();
    closeSync(fd);
    throw error;
  }
}
