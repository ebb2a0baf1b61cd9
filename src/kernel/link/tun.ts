/** What is told of tap and tun devices, which `tap.add` makes; absent: anybody's. */
export interface TunReport {
  mode: 'tun' | 'tap';
  /** User and group id that may open it. */
  owner?: number;
  group?: number;
  /** Packets start with their protocol. */
  packetInformation: boolean;
  vnetHeader: boolean;
  /** It stays when nobody has it open. */
  persistent: boolean;
  multiQueue: boolean;
  /** Queues that are open, of a device with several. */
  queues?: number;
  disabledQueues?: number;
}
