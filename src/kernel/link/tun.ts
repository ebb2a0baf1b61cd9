/** Properties of tap and tun devices, which `tap.add` creates. Read-only. */
export interface TunReport {
  mode: 'tun' | 'tap';
  /** User and group id that may open the device; any if absent. */
  owner?: number;
  group?: number;
  /** Packets have a protocol header (without IFF_NO_PI). */
  packetInformation: boolean;
  vnetHeader: boolean;
  /** The device persists while no process has it open. */
  persistent: boolean;
  multiQueue: boolean;
  /** Open queues, and disabled ones, of a multi-queue device. */
  queues?: number;
  disabledQueues?: number;
}
