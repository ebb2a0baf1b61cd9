import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { HostOptions } from '../api/types.js';
import { Instance } from './instance.js';
import { attempt, run } from './tools.js';

const prefix = 'vethwork-demo-';

/** Addresses and names of the machine in the walk-through. */
export const machine = {
  nic: 'eth0',
  mtu: 8950,
  mac: '02:00:00:00:0e:a3',
  address: '10.0.0.74',
  /** Address of the router and host in the outside. */
  outside: '10.0.0.1',
  floatingNetwork: '192.168.15.0/24',
} as const;

/** Record of a stage on disk, so that a later run can remove it. */
export interface StageRecord {
  id: string;
  /** Pid of the run that created it. */
  pid: number;
  /** True if it was kept on request. */
  kept: boolean;
  /** Names of all namespaces except the network's, by the machine that each represents. */
  namespaces: Record<string, string>;
  /** The network's namespace, while it exists. */
  network?: string;
}

/**
 * The namespaces of the demo: `host` represents the machine, `outside` the network at its uplink, and there is one for each
 * instance. Names are unique to the run. Nothing outside of the namespaces is changed.
 */
export class Stage {
  readonly instances: Instance[] = [];

  private constructor(
    readonly folder: string,
    readonly record: StageRecord,
  ) {}

  static async build(signal: AbortSignal): Promise<Stage> {
    const id = randomBytes(4).toString('hex');
    const folder = join(tmpdir(), `${prefix}${id}`);
    const namespaces = { host: `${prefix}${id}-host`, outside: `${prefix}${id}-outside` };
    await mkdir(folder);
    // An unprivileged dnsmasq needs search permission.
    await chmod(folder, 0o755);
    const stage = new Stage(folder, { id, pid: process.pid, kept: false, namespaces });
    try {
      await stage.save();
      await stage.wire(signal);
    } catch (error) {
      await stage.remove();
      throw error;
    }
    return stage;
  }

  /** Stages whose run has ended: those of runs with `keep`, and those of killed runs. */
  static async leftBehind(): Promise<Stage[]> {
    const stages: Stage[] = [];
    for (const entry of await readdir(tmpdir())) {
      const folder = join(tmpdir(), entry);
      if (!entry.startsWith(prefix)) {
        continue;
      }
      try {
        const record = JSON.parse(await readFile(join(folder, 'stage.json'), 'utf8')) as StageRecord;
        if (record.kept || !existsSync(`/proc/${record.pid}`)) {
          stages.push(new Stage(folder, record));
        }
      } catch {
        // Not a stage, or another process has removed it.
      }
    }
    return stages;
  }

  get host(): string {
    return this.record.namespaces.host ?? '';
  }

  get outside(): string {
    return this.record.namespaces.outside ?? '';
  }

  /** Options of `openHost` for the demo. */
  get hostOptions(): HostOptions {
    return {
      netns: this.host,
      stateDir: join(this.folder, 'state'),
      egressNic: machine.nic,
      meshNic: machine.nic,
      floatingNetwork: machine.floatingNetwork,
    };
  }

  async addInstance(name: string, device: string, mac: string, signal: AbortSignal): Promise<Instance> {
    const netns = await this.reserveNamespace(name);
    const instance = await Instance.create({ name, netns, mac, device, host: this.host, folder: this.folder }, signal);
    this.instances.push(instance);
    return instance;
  }

  /** Creates an empty namespace, as a container runtime does. */
  async addContainer(name: string, signal: AbortSignal): Promise<string> {
    const netns = await this.reserveNamespace(name);
    await run(['ip', 'netns', 'add', netns], signal);
    return netns;
  }

  /** Records the network's namespace, so that it is removed if this run is killed. */
  async setNetwork(uuid: string | undefined): Promise<void> {
    if (uuid === undefined) {
      delete this.record.network;
    } else {
      this.record.network = uuid;
    }
    await this.save();
  }

  async keep(): Promise<void> {
    this.record.kept = true;
    await this.save();
  }

  /** Removes all namespaces, their processes and the folder. Returns what could not be removed. */
  async remove(): Promise<string[]> {
    for (const instance of this.instances.splice(0)) {
      await instance.remove();
    }
    const leftovers: string[] = [];
    const { namespaces, network } = this.record;
    for (const netns of [network, ...Object.values(namespaces)]) {
      if (netns !== undefined && !(await removeNamespace(netns))) {
        leftovers.push(`namespace ${netns}`);
      }
    }
    if (leftovers.length === 0) {
      await rm(this.folder, { recursive: true, force: true });
    }
    return leftovers;
  }

  private async wire(signal: AbortSignal): Promise<void> {
    const { nic, mtu, mac, address, outside, floatingNetwork } = machine;
    const inHost = (...args: string[]): Promise<string> => run(['ip', '-n', this.host, ...args], signal);
    const inOutside = (...args: string[]): Promise<string> => run(['ip', '-n', this.outside, ...args], signal);
    const peer = ['peer', 'name', nic, 'mtu', String(mtu), 'netns', this.outside];
    await run(['ip', 'netns', 'add', this.host], signal);
    await run(['ip', 'netns', 'add', this.outside], signal);
    await inHost('link', 'set', 'lo', 'up');
    await inOutside('link', 'set', 'lo', 'up');
    await inHost('link', 'add', nic, 'address', mac, 'mtu', String(mtu), 'type', 'veth', ...peer);
    await inHost('address', 'add', `${address}/24`, 'brd', '+', 'dev', nic);
    await inOutside('address', 'add', `${outside}/24`, 'brd', '+', 'dev', nic);
    await inHost('link', 'set', nic, 'up');
    await inOutside('link', 'set', nic, 'up');
    await inHost('route', 'add', 'default', 'via', outside);
    await inOutside('route', 'add', floatingNetwork, 'via', address);
  }

  private async reserveNamespace(name: string): Promise<string> {
    const netns = `${prefix}${this.record.id}-${name}`;
    this.record.namespaces[name] = netns;
    await this.save();
    return netns;
  }

  private async save(): Promise<void> {
    await writeFile(join(this.folder, 'stage.json'), `${JSON.stringify(this.record, null, 2)}\n`);
  }
}

/** Kills the processes of a namespace and removes it. Returns whether it is gone. */
async function removeNamespace(netns: string): Promise<boolean> {
  const { stdout } = await attempt(['ip', 'netns', 'pids', netns]);
  for (const pid of stdout.split('\n').filter((line) => line !== '')) {
    try {
      process.kill(Number(pid), 'SIGKILL');
    } catch {
      // The process has ended.
    }
  }
  await attempt(['ip', 'netns', 'delete', netns]);
  return !existsSync(`/run/netns/${netns}`);
}
