import { readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { DnsmasqError } from '../errors.js';
import type { Kernel } from '../kernel/kernel.js';
import { checkConfig, renderConfig } from './config.js';
import { DeclinedAddresses } from './declined.js';
import { exclusively } from './exclusion.js';
import { abandonedFiles, isGone, readIfThere, writeIfChanged } from './files.js';
import { type Lease, withoutLeases } from './lease.js';
import { configFile, isConfigFile, makeRuntimeFolder, type RuntimePaths, removeRuntimeFolder } from './paths.js';
import {
  CONFIG_OPTION,
  type Found,
  findAllDnsmasqs,
  findDnsmasq,
  findHinted,
  findProgram,
  type ProcessIdentity,
  signal,
  stopProcess,
} from './process.js';
import { releaseLeases } from './release.js';
import type { DnsmasqConfig } from './types.js';
import { type Account, findAccount } from './user.js';

/** What dnsmasq needs of the kernel. */
export type DnsmasqKernel = Pick<Kernel, 'run' | 'sendDatagram'>;

/** dnsmasq goes to the background within milliseconds, or fails. */
const START_TIMEOUT = 30_000;

/** One network's dnsmasq: its files and its process. Calls must not overlap; the supervisor sees to that. */
export class DnsmasqInstance {
  /** Whether the process is known to have read the files as they are. */
  #inStep = false;
  #account: Account | undefined;
  readonly #declined: DeclinedAddresses;

  constructor(
    private readonly kernel: DnsmasqKernel,
    readonly network: string,
    private readonly paths: RuntimePaths,
    /** For how long to wait for other processes that are at work on it, in milliseconds. */
    private readonly patience?: number,
  ) {
    this.#declined = new DeclinedAddresses(paths.log);
  }

  /**
   * Makes files and process match the wish, and touches nothing that matches already. New reservations reach a running
   * dnsmasq by SIGHUP; a new configuration restarts it, if `restart`.
   * @returns the process, or `undefined` if the wish needs none
   * @throws ValidationError, MissingProgramError, DnsmasqError, LockTimeoutError
   */
  async apply(wish: DnsmasqConfig, { restart }: { restart: boolean }): Promise<ProcessIdentity | undefined> {
    if (!wish.provideDhcp && !wish.provideDns) {
      checkConfig(wish);
      await this.stop(wish.netns);
      return undefined;
    }
    this.#account ??= await findAccount();
    const { reader } = this.#account;
    const rendered = renderConfig(wish, this.paths, this.#account);
    if (findHinted(this.paths, wish.netns) === undefined) await findProgram();
    await makeRuntimeFolder(this.paths, this.#account);
    const newHosts = await writeIfChanged(this.paths.dhcpHosts, rendered.dhcpHosts, reader);
    const newNames = await writeIfChanged(this.paths.names, rendered.names, reader);
    if (newHosts || newNames) this.#inStep = false;
    const file = configFile(this.paths, rendered.config);
    const fits = (found: Found) => found.inNamespace && (found.config === file || !restart);
    const running = findHinted(this.paths, wish.netns);
    const unchanged = !restart || (await this.#isTidy(file, rendered.config));
    if (running !== undefined && fits(running) && unchanged && this.#keepInStep(running)) return running;
    return this.#exclusively(async () => {
      for (const left of await abandonedFiles(this.paths.folder)) await rm(left, { force: true });
      await writeIfChanged(file, rendered.config);
      // The pid file may be lost, and another process may have started one meanwhile.
      const all = await findAllDnsmasqs(this.paths, wish.netns);
      const adopted = all.find((found) => fits(found) && this.#keepInStep(found));
      for (const other of all) if (other !== adopted) await stopProcess(other);
      if (adopted === undefined) return this.#launch(file, wish);
      // A lost pid file is written again, or it would be searched for every time.
      await writeIfChanged(this.paths.pid, `${adopted.pid}\n`);
      return adopted;
    });
  }

  /**
   * Tells a running dnsmasq to read its files again, unless it has. The first time always: whoever wrote them may have
   * died before it could say so.
   * @returns false if it has ended
   */
  #keepInStep(running: Found): boolean {
    if (!this.#inStep) this.#inStep = signal(running, 'SIGHUP');
    return this.#inStep;
  }

  async #launch(file: string, wish: DnsmasqConfig): Promise<ProcessIdentity> {
    const program = await findProgram();
    await this.#removeConfigs((each) => each !== file);
    // That of its predecessor belongs to its account: dnsmasq opens it as another user.
    await rm(this.paths.log, { force: true });
    await this.#forget((lease) => !isReserved(lease, wish));
    const result = await this.kernel.run(program, [CONFIG_OPTION + file], {
      netns: wish.netns,
      timeout: START_TIMEOUT,
    });
    const started = result.exitCode === 0 ? findHinted(this.paths, wish.netns) : undefined;
    if (started === undefined) throw new DnsmasqError(this.network, reason(result.stderr), result.exitCode);
    this.#inStep = true;
    return started;
  }

  /** Whether dnsmasq has said anything since it was asked for declined addresses. Cheap. */
  get hasNews(): boolean {
    return this.#declined.hasNews;
  }

  /**
   * Has dnsmasq give out again what clients have declined, by SIGHUP, which makes it forget that.
   * @param when given the addresses, tells whether it is to be done now
   * @returns the addresses; none if another process has seen to them
   */
  async restoreDeclined(
    running: ProcessIdentity,
    when: (addresses: readonly string[]) => boolean,
  ): Promise<readonly string[]> {
    return this.#exclusively(async () => {
      const addresses = await this.#declined.read();
      if (!when(addresses) || !signal(running, 'SIGHUP')) return [];
      await this.#declined.note();
      return addresses;
    });
  }

  /** Frees the leases that nobody has a reservation for. */
  async releaseStale(wish: DnsmasqConfig): Promise<void> {
    await this.release(wish, (lease) => !isReserved(lease, wish));
  }

  /** Frees leases; resolves when they are gone. Without a running dnsmasq they are taken out of its file. */
  async release(server: { netns: string; gateway: string }, wanted: (lease: Lease) => boolean): Promise<void> {
    if ((await this.find(server.netns)) === undefined) return this.#forget(wanted);
    const { netns, gateway } = server;
    await releaseLeases(this.kernel, { network: this.network, netns, gateway, leaseFile: this.paths.leases }, wanted);
  }

  find(netns: string): Promise<Found | undefined> {
    return findDnsmasq(this.paths, netns);
  }

  /** Whether files and process are as wished. */
  async isInStep(wish: DnsmasqConfig, running: Found): Promise<boolean> {
    this.#account ??= await findAccount();
    const rendered = renderConfig(wish, this.paths, this.#account);
    const file = configFile(this.paths, rendered.config);
    if (running.config !== file || !(await this.#isTidy(file, rendered.config))) return false;
    const wanted = [
      [this.paths.dhcpHosts, rendered.dhcpHosts],
      [this.paths.names, rendered.names],
    ] as const;
    for (const [path, text] of wanted) if ((await readIfThere(path)) !== text) return false;
    return true;
  }

  /** The configuration is as written, and nothing half-written lies beside it. */
  async #isTidy(file: string, config: string): Promise<boolean> {
    return (await readIfThere(file)) === config && (await abandonedFiles(this.paths.folder)).length === 0;
  }

  /** Whether another process has stopped it for good. */
  async isWithdrawn(): Promise<boolean> {
    return (await this.#configs()).length === 0;
  }

  /** Ends dnsmasq and removes its files, leases included. Nothing there is success. */
  async stop(netns: string): Promise<void> {
    // The configuration goes first: that tells the watchers of other processes not to start it again.
    await this.#removeConfigs(() => true);
    await this.#exclusively(async () => {
      const hinted = findHinted(this.paths, netns);
      const all = hinted === undefined ? await findAllDnsmasqs(this.paths, netns) : [hinted];
      for (const found of all) await stopProcess(found);
      await removeRuntimeFolder(this.paths);
    });
    this.#inStep = false;
  }

  #exclusively<Result>(work: () => Promise<Result>): Promise<Result> {
    return exclusively(this.paths, work, this.patience);
  }

  async #forget(unwanted: (lease: Lease) => boolean): Promise<void> {
    const text = await readIfThere(this.paths.leases);
    if (text === undefined) return;
    try {
      await writeIfChanged(this.paths.leases, withoutLeases(text, unwanted));
    } catch (error) {
      // Another process has removed the folder meanwhile, and the leases with it.
      if (!isGone(error)) throw error;
    }
  }

  async #configs(): Promise<string[]> {
    const names = await readdir(this.paths.folder).catch(() => []);
    return names.map((name) => path.join(this.paths.folder, name)).filter((file) => isConfigFile(this.paths, file));
  }

  async #removeConfigs(unwanted: (file: string) => boolean): Promise<void> {
    for (const file of (await this.#configs()).filter(unwanted)) await rm(file, { force: true });
  }
}

function isReserved(lease: Lease, { reservations }: DnsmasqConfig): boolean {
  return reservations.some(({ mac, address }) => mac.toLowerCase() === lease.mac && address === lease.address);
}

/** dnsmasq's own sentence: `dnsmasq: failed to create listening socket for 172.16.0.1: …`. */
function reason(stderr: string): string {
  const lines = stderr
    .split('\n')
    .map((line) => line.trim().replace(/^dnsmasq: /, ''))
    .filter(Boolean);
  return lines.at(-1) ?? 'it ended at once without saying why';
}
