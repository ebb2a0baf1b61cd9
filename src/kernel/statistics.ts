/** Counters of a link since its creation (linux/if_link.h, rtnl_link_stats64). Like `ip -s link`. */
export interface LinkStatistics {
  /** Interface index of the link. */
  index: number;
  /** Packets received without error, and their bytes. */
  receivedPackets: number;
  receivedBytes: number;
  /** Received packets with errors. */
  receiveErrors: number;
  /** Received packets that were dropped, for lack of buffers or of a receiver. */
  receiveDrops: number;
  /** Packets sent without error, and their bytes. */
  sentPackets: number;
  sentBytes: number;
  sendErrors: number;
  /** Packets that were dropped before sending, for example because the veth peer is down. */
  sendDrops: number;
}
