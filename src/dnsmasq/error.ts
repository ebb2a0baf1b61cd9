import { VethworkError } from '../errors.js';

/** dnsmasq did not do what was asked of it. */
export class DnsmasqError extends VethworkError {
  readonly code = 'DNSMASQ';

  /**
   * @param network UUID of the network
   * @param reason what went wrong; where dnsmasq said so, its own sentence
   * @param exitCode its exit status, where it ended: 1 configuration, 2 network, 3 files, 4 memory (dnsmasq(8))
   */
  constructor(
    readonly network: string,
    readonly reason: string,
    readonly exitCode?: number,
  ) {
    super(`dnsmasq of network ${network}: ${reason}`);
  }
}
