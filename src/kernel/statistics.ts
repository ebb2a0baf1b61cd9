/** What passed a link since it was made (linux/if_link.h, rtnl_link_stats64), from the link's point of view. */
export interface LinkStatistics {
  /** Index of the link. */
  index: number;
  /** Of packets that were received without an error, as are the bytes. */
  receivedPackets: number;
  receivedBytes: number;
  /** Received, and unusable. */
  receiveErrors: number;
  /** Received, and given up for want of room, or because nobody takes such packets. */
  receiveDrops: number;
  /** Of packets that were handed over without an error, as are the bytes. */
  sentPackets: number;
  sentBytes: number;
  sendErrors: number;
  /** To be sent, and given up, for example because the other end of a veth is down. */
  sendDrops: number;
}
