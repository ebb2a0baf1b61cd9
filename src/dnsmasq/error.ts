import { VethworkError } from '../errors.js';

/** dnsmasq failed, or could not be started or stopped. */
export class DnsmasqError extends VethworkError {
  readonly code = 'DNSMASQ';

  /**
   * @param network UUID of the network
   * @param reason dnsmasq's own message, if there is one
   * @param exitCode exit status, if it ended: 1 configuration, 2 network, 3 files, 4 memory (dnsmasq(8))
   */
  constructor(
    readonly network: string,
    readonly reason: string,
    readonly exitCode?: number,
  ) {
    super(`dnsmasq of network ${network}: ${reason}`);
  }
}
