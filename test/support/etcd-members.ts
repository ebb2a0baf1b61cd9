import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePorts } from './etcd.js';
import { attempt, eventually, json } from './namespaces.js';

interface Member {
  url: string;
  process: ChildProcess;
}

/** A real etcd with three members, which tests can kill and suspend. */
export class EtcdMembers implements AsyncDisposable {
  private constructor(
    readonly folder: string,
    readonly members: readonly Member[],
  ) {}

  static async start(): Promise<EtcdMembers> {
    const folder = await mkdtemp(join(tmpdir(), 'vethwork-etcd-'));
    const names = ['m0', 'm1', 'm2'];
    const ports = await freePorts(2 * names.length);
    const url = (port: number | undefined) => `http://127.0.0.1:${port}`;
    const peers = names.map((name, index) => `${name}=${url(ports[2 * index + 1])}`).join(',');
    const members = names.map((name, index) => {
      const [client, peer] = [url(ports[2 * index]), url(ports[2 * index + 1])];
      const args = [
        ...[`--name=${name}`, `--data-dir=${folder}/${name}`],
        ...[`--listen-client-urls=${client}`, `--advertise-client-urls=${client}`],
        ...[`--listen-peer-urls=${peer}`, `--initial-advertise-peer-urls=${peer}`, `--initial-cluster=${peers}`],
      ];
      return { url: client, process: spawn('etcd', args, { stdio: 'ignore' }) };
    });
    const etcd = new EtcdMembers(folder, members);
    await eventually(async () => (await etcd.#ctl(etcd.urls, 'endpoint', 'health')).exitCode === 0);
    return etcd;
  }

  get urls(): string[] {
    return this.members.map(({ url }) => url);
  }

  /** Index of the leader. */
  async leader(): Promise<number> {
    const leads = async ({ url }: Member) => {
      const command = ['env', 'ETCDCTL_API=3', 'etcdctl', `--endpoints=${url}`, 'endpoint', 'status', '-w', 'json'];
      const [answer] = await json<{ Status: { leader: number; header: { member_id: number } } }[]>(
        ...(command as [string, ...string[]]),
      );
      return answer?.Status.leader === answer?.Status.header.member_id;
    };
    return (await Promise.all(this.members.map(leads))).indexOf(true);
  }

  /** SIGKILL: connections are refused. SIGSTOP: the member does not answer, as one that is unreachable. */
  signal(index: number, signal: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): void {
    this.members[index]?.process.kill(signal);
  }

  #ctl(urls: readonly string[], ...args: string[]) {
    return attempt('env', 'ETCDCTL_API=3', 'etcdctl', `--endpoints=${urls.join(',')}`, ...args);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { process } of this.members) {
      if (process.exitCode !== null || process.signalCode !== null) continue;
      const ended = once(process, 'close');
      process.kill('SIGKILL');
      await ended;
    }
    await rm(this.folder, { recursive: true, force: true });
  }
}
