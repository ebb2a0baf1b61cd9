/** Options of a MACVLAN (ip-link(8), `type macvlan`). Like `ip link add … type macvlan`. */
export interface MacvlanOptions {
  /** Communication between MACVLANs of one lower link. Default `vepa`. */
  mode?: 'private' | 'vepa' | 'bridge' | 'passthru' | 'source';
  /** MACVLAN_FLAG_… bits: 1 no promiscuous mode (`passthru`), 2 no source duplication (`source`). */
  flags?: number;
  /** Length of the broadcast queue, in frames. */
  broadcastQueueLength?: number;
  /** Multicast groups with at most this number of members are not queued; -1: all are queued. */
  broadcastCutoff?: number;
}
