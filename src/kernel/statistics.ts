/** What passed a link since it was made (linux/if_link.h, rtnl_link_stats64), from the link's point of view. */
export interface LinkStatistics {
  index: number;
  receivedPackets: number;
  receivedBytes: number;
  receiveErrors: number;
  /** Received, and given up for want of room, or because nobody takes such packets. */
  receiveDrops: number;
  sentPackets: number;
  sentBytes: number;
  sendErrors: number;
  sendDrops: number;
}
