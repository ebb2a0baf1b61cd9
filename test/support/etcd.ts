import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { attempt, sh } from './namespaces.js';
import { patience } from './patience.js';

/** Options of a test etcd. */
export interface EtcdSetting {
  /** Listen address. Default 127.0.0.1. */
  address?: string;
  /** Network namespace of the process; the ports are then fixed. */
  netns?: string;
  /** Arguments and files of the TLS certificates. */
  tls?: { ca: string; cert: string; key: string };
}

/** A real etcd with one member, which tests can kill and restart. */
export class TestEtcd implements AsyncDisposable {
  #process: ChildProcess | undefined;
  #output = '';
  #url = '';

  private constructor(
    readonly folder: string,
    readonly url: string,
    readonly peerUrl: string,
    readonly setting: EtcdSetting,
  ) {}

  static async start(setting: EtcdSetting = {}): Promise<TestEtcd> {
    const address = setting.address ?? '127.0.0.1';
    const [port, peer] = setting.netns === undefined ? await freePorts(2) : [2379, 2380];
    const scheme = setting.tls ? 'https' : 'http';
    const folder = await mkdtemp(join(tmpdir(), 'vethwork-etcd-'));
    const etcd = new TestEtcd(folder, `${scheme}://${address}:${port}`, `http://${address}:${peer}`, setting);
    await etcd.run();
    return etcd;
  }

  /** Starts etcd with its existing data; on another port if clients must not reach it. */
  async run(elsewhere = false): Promise<void> {
    const { tls, netns } = this.setting;
    this.#url = elsewhere ? this.url.replace(/\d+$/, String((await freePorts(1))[0])) : this.url;
    const command = [
      ...(netns === undefined ? [] : ['ip', 'netns', 'exec', netns]),
      'etcd',
      `--data-dir=${this.folder}/data`,
      `--listen-client-urls=${this.#url}`,
      `--advertise-client-urls=${this.#url}`,
      `--listen-peer-urls=${this.peerUrl}`,
      `--initial-advertise-peer-urls=${this.peerUrl}`,
      `--initial-cluster=default=${this.peerUrl}`,
      ...(tls ? [`--cert-file=${tls.cert}`, `--key-file=${tls.key}`, `--trusted-ca-file=${tls.ca}`] : []),
      ...(tls ? ['--client-cert-auth'] : []),
    ];
    const [file, ...args] = command as [string, ...string[]];
    this.#process = spawn(file, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    this.#process.stderr?.on('data', (text: Buffer) => {
      this.#output = (this.#output + text.toString()).slice(-4000);
    });
    const end = Date.now() + patience(60_000);
    for (;;) {
      if ((await attempt(...this.#ctl('endpoint', 'health'))).exitCode === 0) return;
      if (this.#process.exitCode !== null || Date.now() > end) throw new Error(`etcd does not run: ${this.#output}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  /** Runs `etcdctl` and resolves to its output. */
  ctl(...args: string[]): Promise<string> {
    return sh(...this.#ctl(...args));
  }

  /** All keys with the prefix. */
  async keys(prefix = 'vethwork/'): Promise<string[]> {
    return (await this.ctl('get', '--prefix', '--keys-only', prefix)).split('\n').filter(Boolean);
  }

  #ctl(...args: string[]): [string, ...string[]] {
    const { tls, netns } = this.setting;
    const inside = netns === undefined ? [] : ['ip', 'netns', 'exec', netns];
    const certificates = tls ? [`--cacert=${tls.ca}`, `--cert=${tls.cert}`, `--key=${tls.key}`] : [];
    return [...inside, 'env', 'ETCDCTL_API=3', 'etcdctl', `--endpoints=${this.#url}`, ...certificates, ...args] as [
      string,
      ...string[],
    ];
  }

  /** Requests that the server has answered since its start, by kind. Not with TLS or in a namespace. */
  async requests(): Promise<{ reads: number; transactions: number }> {
    const lines = (await (await fetch(`${this.#url}/metrics`)).text()).split('\n');
    const count = (method: string) =>
      lines
        .filter((line) => line.startsWith('grpc_server_handled_total') && line.includes(`grpc_method="${method}"`))
        .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
    return { reads: count('Range'), transactions: count('Txn') };
  }

  /** Saves a snapshot to a file. */
  async save(file: string): Promise<void> {
    await this.ctl('snapshot', 'save', file);
  }

  /** Kills etcd, restores the snapshot and restarts etcd as the same cluster. */
  async restore(file: string): Promise<void> {
    await this.kill();
    await rm(join(this.folder, 'data'), { recursive: true });
    const place = [`--data-dir=${this.folder}/data`, '--name=default', `--initial-cluster=default=${this.peerUrl}`];
    await this.ctl('snapshot', 'restore', file, ...place, `--initial-advertise-peer-urls=${this.peerUrl}`);
    await this.run();
  }

  /** Kills etcd with SIGKILL. */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const running = this.#process;
    if (running === undefined || running.exitCode !== null || running.signalCode !== null) return;
    const ended = once(running, 'close');
    running.kill(signal);
    await ended;
  }

  /** Suspends etcd with SIGSTOP: connections stay open, and requests get no response. */
  pause(): void {
    this.#process?.kill('SIGSTOP');
  }

  resume(): void {
    this.#process?.kill('SIGCONT');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.resume();
    await this.kill();
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** Free TCP ports. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      return server;
    }),
  );
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map(async (server) => once(server.close(), 'close')));
  return ports;
}
