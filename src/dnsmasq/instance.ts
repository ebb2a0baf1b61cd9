import { existsSync, rmSync } from 'node:fs';
import path from 'node:path';
import { DnsmasqError } from '../errors.js';
import type { Kernel } from '../kernel/kernel.js';
import { checkConfig, type RenderedConfig, renderConfig, renderReservation, reservationStart } from './config.js';
import { DeclinedAddresses } from './declined.js';
import { exclusively } from './exclusion.js';
import {
  asFileError,
  isMissing,
  namesIn,
  readIfThere,
  readSettled,
  staleTemporaryFiles,
  writeIfChanged,
} from './files.js';
import { type Lease, withoutLeases } from './lease.js';
import { type LineChange, LineFile } from './line-file.js';
import { configFile, isConfigFile, makeRuntimeFolder, type RuntimePaths, removeRuntimeFolder } from './paths.js';
import {
  CONFIG_OPTION,
  findAllDnsmasqs,
  findByPidFile,
  findDnsmasq,
  findProgram,
  type ProcessIdentity,
  type RunningDnsmasq,
  signal,
  stopProcess,
} from './process.js';
import { releaseLeases } from './release.js';
import type { DnsmasqConfig, Reservation } from './types.js';
import { type Account, findAccount } from './user.js';

/** The kernel calls that dnsmasq needs. */
export type DnsmasqKernel = Pick<Kernel, 'run' | 'sendDatagram'>;

/** In milliseconds. dnsmasq normally daemonises or fails within a few. */
const START_TIMEOUT = 30_000;

export interface ApplyOptions {
  restart: boolean;
  seen?: ReadonlySet<string> | undefined;
  whenReady?: Promise<unknown> | undefined;
}

/** The changes of the two files for one reservation. */
export interface ReservationEdit {
  host: LineChange;
  /** Absent for a reservation without a host name. */
  name?: LineChange;
}

/** Adds a reservation. @throws ValidationError */
export function additionOf(reservation: Reservation, desired: Pick<DnsmasqConfig, 'domain'>): ReservationEdit {
  const { host, name } = renderReservation(reservation, desired);
  return { host: { add: host }, ...(name !== undefined && { name: { add: name } }) };
}

/** Removes a reservation. */
export function removalOf(reservation: Pick<Reservation, 'mac' | 'address'>): ReservationEdit {
  const { host, name } = reservationStart(reservation);
  return { host: { remove: host }, name: { remove: name } };
}

/** One network's dnsmasq: its files and its process. Asynchronous calls must not overlap; the supervisor ensures that. */
export class DnsmasqInstance {
  /** True if the process is known to have read the present files. */
  #isUpToDate = false;
  /** Number of calls of `edit`. */
  #edits = 0;
  #account: Account | undefined;
  readonly #declined: DeclinedAddresses;
  readonly #hosts: LineFile;
  readonly #names: LineFile;

  constructor(
    private readonly kernel: DnsmasqKernel,
    readonly network: string,
    private readonly paths: RuntimePaths,
    /** How long to wait for other processes that work on it, in milliseconds. */
    private readonly lockTimeout?: number,
  ) {
    this.#declined = new DeclinedAddresses(paths.log);
    this.#hosts = new LineFile(paths.dhcpHosts);
    this.#names = new LineFile(paths.names);
  }

  /**
   * Makes files and process match the desired state, without touching what matches already. A running dnsmasq gets new
   * reservations by SIGHUP. A new configuration restarts it, if `restart` is set.
   * @param options.seen lines that the files had before the desired state was read. Other lines, which it does not have
   *   either, may be newer than it, and stay. Default: no line stays
   * @param options.whenReady resolves when the namespace, which is being created, is ready for dnsmasq. The files are
   *   written meanwhile
   * @returns the process, or undefined if none is needed
   * @throws ValidationError, MissingProgramError, DnsmasqError, LockTimeoutError, StoreError if a file cannot be written
   */
  async apply(desired: DnsmasqConfig, options: ApplyOptions): Promise<ProcessIdentity | undefined> {
    try {
      return await this.#apply(desired, options);
    } catch (error) {
      throw asFileError(error, this.paths.folder);
    }
  }

  async #apply(
    desired: DnsmasqConfig,
    { restart, seen, whenReady }: ApplyOptions,
  ): Promise<ProcessIdentity | undefined> {
    if (!desired.provideDhcp && !desired.provideDns) {
      checkConfig(desired);
      await this.stop(desired.netns);
      return undefined;
    }
    this.#account ??= await findAccount();
    const { reader } = this.#account;
    const rendered = renderConfig(desired, this.paths, this.#account);
    const program = findByPidFile(this.paths, desired.netns) === undefined ? await findProgram() : undefined;
    const isNew = makeRuntimeFolder(this.paths, this.#account);
    const isStale = (line: string) => seen === undefined || seen.has(line);
    for (const [file, lines] of this.#lines(rendered)) {
      if (file.replace(lines, { reader, isStale })) this.#isUpToDate = false;
    }
    const file = configFile(this.paths, rendered.config);
    const fits = (found: RunningDnsmasq) =>
      found.inNamespace && (found.config === file || !restart) && !this.hasLostFiles(desired);
    const running = findByPidFile(this.paths, desired.netns);
    const unchanged = !restart || this.#isUnchanged(file, rendered.config);
    if (running !== undefined && fits(running) && unchanged && this.reload(running)) return running;
    return this.#exclusively(async () => {
      for (const left of staleTemporaryFiles(this.paths.folder)) rmSync(left, { force: true });
      writeIfChanged(file, rendered.config);
      // Searched again, because the pid file may be lost, or another process may have started a dnsmasq meanwhile.
      // A new network has none. The search takes the longer, the more processes there are.
      const all = isNew && whenReady !== undefined ? [] : await findAllDnsmasqs(this.paths, desired.netns);
      const adopted = all.find((found) => fits(found) && this.reload(found));
      for (const other of all) if (other !== adopted) await stopProcess(other);
      if (adopted === undefined) return this.#launch(program ?? (await findProgram()), file, desired, whenReady);
      // Without a pid file, all processes would be searched every time.
      writeIfChanged(this.paths.pid, `${adopted.pid}\n`);
      return adopted;
    });
  }

  /**
   * Makes a running dnsmasq read its files (SIGHUP), unless it has read them. The first call always does so, because
   * the process that wrote the files may have died before it sent the signal.
   *
   * It need not be waited for: dnsmasq reads the files before the next packet that it receives. Its handler writes to a
   * pipe, and its loop looks at the pipe before it looks at the sockets.
   * @returns false if dnsmasq has ended
   */
  reload(running: ProcessIdentity): boolean {
    if (!this.#isUpToDate) this.#isUpToDate = signal(running, 'SIGHUP');
    return this.#isUpToDate;
  }

  async #launch(
    program: string,
    file: string,
    desired: DnsmasqConfig,
    whenReady?: Promise<unknown>,
  ): Promise<ProcessIdentity> {
    this.#removeConfigs((each) => each !== file);
    // The log of the previous process belongs to its account; dnsmasq opens it as another user.
    rmSync(this.paths.log, { force: true });
    this.#dropLeases((lease) => !isReserved(lease, desired));
    await whenReady;
    const edits = this.#edits;
    const result = await this.kernel.run(program, [CONFIG_OPTION + file], {
      netns: desired.netns,
      timeout: START_TIMEOUT,
    });
    const started = result.exitCode === 0 ? findByPidFile(this.paths, desired.netns) : undefined;
    if (started === undefined) throw new DnsmasqError(this.network, reason(result.stderr), result.exitCode);
    this.#isUpToDate = edits === this.#edits;
    return started;
  }

  /**
   * Adds reservations to the files and removes others, whatever the size of the files. dnsmasq knows of it after `reload`.
   * Succeeds for the removal of one that the files don't have.
   * @returns false if a file does not exist
   * @throws StoreError
   */
  edit(edits: readonly ReservationEdit[]): boolean {
    this.#edits++;
    // Even if the files don't change: the process that changed them may have died before it sent the signal.
    this.#isUpToDate = false;
    return (
      this.#hosts.change(edits.map(({ host }) => host)) && this.#names.change(edits.flatMap(({ name }) => name ?? []))
    );
  }

  /** True if the files are large and contain hardly more than what was removed. `apply` writes them anew. */
  get isWorthCompacting(): boolean {
    return this.#hosts.isWorthCompacting || this.#names.isWorthCompacting;
  }

  /** The lines of the files at present, for `apply`. */
  lines(): ReadonlySet<string> {
    return new Set([...(this.#hosts.lines() ?? []), ...(this.#names.lines() ?? [])]);
  }

  /** True if one of these lines is not of the desired state. Only to be called after `apply`. */
  hasStale(desired: DnsmasqConfig, lines: ReadonlySet<string>): boolean {
    if (this.#account === undefined) return false;
    const wanted = this.#lines(renderConfig(desired, this.paths, this.#account)).flatMap(([, each]) => each);
    const known = new Set(wanted);
    return [...lines].some((line) => !known.has(line));
  }

  #lines({ dhcpHosts, names }: RenderedConfig): [LineFile, string[]][] {
    const split = (text: string) => text.split('\n').filter(Boolean);
    return [
      [this.#hosts, split(dhcpHosts)],
      [this.#names, split(names)],
    ];
  }

  /**
   * True if a file that the running dnsmasq writes was removed, for example by systemd-tmpfiles. dnsmasq keeps the
   * removed file open: leases and log are then invisible, and only a restart helps. Cheap.
   */
  hasLostFiles({ provideDhcp }: Pick<DnsmasqConfig, 'provideDhcp'>): boolean {
    return !existsSync(this.paths.log) || (provideDhcp && !existsSync(this.paths.leases));
  }

  /** True if dnsmasq has logged anything since `restoreDeclined`. Cheap. */
  get hasNewLines(): boolean {
    return this.#declined.hasNewLines;
  }

  /**
   * Makes dnsmasq assign declined addresses again, by SIGHUP.
   * @param when gets the addresses and returns whether to restore them now
   * @returns the addresses; none if another process has restored them
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

  /** True if an address has a lease. Cheap: the file is not parsed. */
  async hasLease(address: string): Promise<boolean> {
    const isIn = (text: string | undefined) => text?.includes(` ${address} `) === true;
    return isIn(readIfThere(this.paths.leases)) || isIn(await readSettled(this.paths.leases));
  }

  /** Frees the leases without reservation. */
  async releaseStale(desired: DnsmasqConfig): Promise<void> {
    await this.release(desired, (lease) => !isReserved(lease, desired));
  }

  /** Frees leases. Resolves when they are gone. If dnsmasq does not run, they are removed from its lease file. */
  async release(server: { netns: string; gateway: string }, wanted: (lease: Lease) => boolean): Promise<void> {
    if ((await this.find(server.netns)) === undefined) return this.#dropLeases(wanted);
    const { netns, gateway } = server;
    await releaseLeases(this.kernel, { network: this.network, netns, gateway, leaseFile: this.paths.leases }, wanted);
  }

  find(netns: string): Promise<RunningDnsmasq | undefined> {
    return findDnsmasq(this.paths, netns);
  }

  /** Resolves to whether files and process match the desired state. */
  async isUpToDate(desired: DnsmasqConfig, running: RunningDnsmasq): Promise<boolean> {
    this.#account ??= await findAccount();
    const rendered = renderConfig(desired, this.paths, this.#account);
    const file = configFile(this.paths, rendered.config);
    if (running.config !== file || !this.#isUnchanged(file, rendered.config)) return false;
    return this.#lines(rendered).every(([each, lines]) => each.has(lines));
  }

  /** True if the configuration is as written and there are no stale temporary files. */
  #isUnchanged(file: string, config: string): boolean {
    return readIfThere(file) === config && staleTemporaryFiles(this.paths.folder).length === 0;
  }

  /** True if another process has stopped this dnsmasq permanently. */
  isStopped(): boolean {
    return this.#configs().length === 0;
  }

  /** Stops dnsmasq and removes its files, including leases. Succeeds if there is nothing. */
  async stop(netns: string): Promise<void> {
    // The configuration is removed first. Other processes then do not restart dnsmasq.
    this.#removeConfigs(() => true);
    const remove = async () => {
      const byPidFile = findByPidFile(this.paths, netns);
      const all = byPidFile === undefined ? await findAllDnsmasqs(this.paths, netns) : [byPidFile];
      for (const found of all) await stopProcess(found);
      await removeRuntimeFolder(this.paths);
    };
    await exclusively(this.paths, remove, { timeout: this.lockTimeout, removes: true });
    this.#isUpToDate = false;
  }

  #exclusively<Result>(work: () => Promise<Result>): Promise<Result> {
    return exclusively(this.paths, work, { timeout: this.lockTimeout });
  }

  #dropLeases(unwanted: (lease: Lease) => boolean): void {
    const text = readIfThere(this.paths.leases);
    if (text === undefined) return;
    try {
      writeIfChanged(this.paths.leases, withoutLeases(text, unwanted));
    } catch (error) {
      // Another process has removed the folder with the leases meanwhile.
      if (!isMissing(error)) throw error;
    }
  }

  #configs(): string[] {
    return namesIn(this.paths.folder)
      .map((name) => path.join(this.paths.folder, name))
      .filter((file) => isConfigFile(this.paths, file));
  }

  #removeConfigs(unwanted: (file: string) => boolean): void {
    for (const file of this.#configs().filter(unwanted)) rmSync(file, { force: true });
  }
}

function isReserved(lease: Lease, { reservations }: DnsmasqConfig): boolean {
  return reservations.some(({ mac, address }) => mac.toLowerCase() === lease.mac && address === lease.address);
}

/** Extracts dnsmasq's message: `dnsmasq: failed to create listening socket for 172.16.0.1: …`. */
function reason(stderr: string): string {
  const lines = stderr
    .split('\n')
    .map((line) => line.trim().replace(/^dnsmasq: /, ''))
    .filter(Boolean);
  return lines.at(-1) ?? 'the process ended without an error message';
}
