import { statSync } from 'node:fs';
import { appendFile, open, truncate } from 'node:fs/promises';
import { isGone } from './files.js';

/** A log that is longer begins anew: what instances do makes it grow. In bytes. */
const LONGEST = 64 * 1024;

/** What dnsmasq says when a client declines its address, and whenever it asks for it in the 10 minutes from then on. */
const DECLINED =
  /^.{15} dnsmasq-dhcp\[\d+\]: (?:disabling DHCP static address|not using configured address) (\S+) (?:for|because it was previously declined)/;
/** What `note` writes. Lines of dnsmasq begin with the time. */
const NOTED = 'vethwork: ';

/**
 * The addresses that dnsmasq gives to nobody for a while as their clients have declined them (RFC 2131, 4.4.4), by its log:
 * it says so nowhere else. Any number of processes may look; who has seen to it writes that into the log for the others.
 */
export class DeclinedAddresses {
  readonly #declined = new Set<string>();
  #seen = 0;

  constructor(private readonly file: string) {}

  /** Whether the log has changed since it was read. */
  get hasNews(): boolean {
    return (statSync(this.file, { throwIfNoEntry: false })?.size ?? 0) !== this.#seen;
  }

  /** Those that nobody has seen to yet. */
  async read(): Promise<readonly string[]> {
    const text = await this.#readOn();
    for (const line of text.split('\n')) {
      if (line.startsWith(NOTED)) this.#declined.clear();
      const address = DECLINED.exec(line)?.[1];
      if (address !== undefined) this.#declined.add(address);
    }
    return [...this.#declined];
  }

  /** That dnsmasq gives them out again. */
  async note(): Promise<void> {
    const line = `${NOTED}dnsmasq was told to read its reservations again: ${[...this.#declined].join(', ')}\n`;
    this.#declined.clear();
    await ifPermitted(async () => {
      await appendFile(this.file, line);
      this.#seen += Buffer.byteLength(line);
    });
  }

  /** What was written since, up to the last whole line. */
  async #readOn(): Promise<string> {
    const log = await open(this.file).catch((error) => {
      if (isGone(error)) return undefined;
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

/** The log belongs to the account that dnsmasq runs as: root without CAP_DAC_OVERRIDE may only read it. */
async function ifPermitted(write: () => Promise<void>): Promise<void> {
  try {
    await write();
  } catch (error) {
    if (!isGone(error) && (error as NodeJS.ErrnoException).code !== 'EACCES') throw error;
  }
}
