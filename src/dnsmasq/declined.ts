import { statSync } from 'node:fs';
import { appendFile, open, truncate } from 'node:fs/promises';
import { isMissing } from './files.js';

/** Size at which the log is truncated, in bytes. Instances can make it grow. */
const LONGEST = 64 * 1024;

/** Messages of dnsmasq when a client declines its address, and for each request for it in the following 10 minutes. */
const DECLINED =
  /^.{15} dnsmasq-dhcp\[\d+\]: (?:disabling DHCP static address|not using configured address) (\S+) (?:for|because it was previously declined)/;
/** Prefix of the lines that `note` writes. Lines of dnsmasq begin with the time. */
const NOTED = 'vethwork: ';

/**
 * Finds the addresses that clients have declined (RFC 2131, 4.4.4) and that dnsmasq therefore does not assign for a
 * while. Only dnsmasq's log reports them. Any number of processes may read it. A process that has restored the
 * addresses writes a line for the others.
 */
export class DeclinedAddresses {
  readonly #declined = new Set<string>();
  #seen = 0;

  constructor(private readonly file: string) {}

  /** True if the log has changed since it was read. */
  get hasNewLines(): boolean {
    return (statSync(this.file, { throwIfNoEntry: false })?.size ?? 0) !== this.#seen;
  }

  /** Reads the log. Returns the addresses that no process has restored yet. */
  async read(): Promise<readonly string[]> {
    const text = await this.#readOn();
    for (const line of text.split('\n')) {
      if (line.startsWith(NOTED)) this.#declined.clear();
      const address = DECLINED.exec(line)?.[1];
      if (address !== undefined) this.#declined.add(address);
    }
    return [...this.#declined];
  }

  /** Records that dnsmasq assigns the addresses again. */
  async note(): Promise<void> {
    const line = `${NOTED}dnsmasq was signalled to reload its reservations: ${[...this.#declined].join(', ')}\n`;
    this.#declined.clear();
    await ifPermitted(async () => {
      await appendFile(this.file, line);
      this.#seen += Buffer.byteLength(line);
    });
  }

  /** Reads the complete lines that were written since the last call. */
  async #readOn(): Promise<string> {
    const log = await open(this.file).catch((error) => {
      if (isMissing(error)) return undefined;
      throw error;
    });
    if (log === undefined) {
      this.#seen = 0;
      return '';
    }
    try {
      const { size } = await log.stat();
      const from = Math.max(size < this.#seen ? 0 : this.#seen, size - LONGEST);
      const { buffer, bytesRead } = await log.read(Buffer.alloc(size - from), 0, size - from, from);
      const text = buffer.toString('latin1', 0, bytesRead);
      const whole = text.slice(0, text.lastIndexOf('\n') + 1);
      this.#seen = from + whole.length;
      if (size > LONGEST) {
        await ifPermitted(() => truncate(this.file));
        this.#seen = 0;
      }
      return whole;
    } finally {
      await log.close();
    }
  }
}

/** Ignores EACCES: the log belongs to dnsmasq's account, and root without CAP_DAC_OVERRIDE may only read it. */
async function ifPermitted(write: () => Promise<void>): Promise<void> {
  try {
    await write();
  } catch (error) {
    if (!isMissing(error) && (error as NodeJS.ErrnoException).code !== 'EACCES') throw error;
  }
}
