/** MAC addresses of their own on another link (ip-link(8), `type macvlan`). */
export interface MacvlanOptions {
  /** Who of those on the same link may talk to each other. The kernel's own default is `vepa`. */
  mode?: 'private' | 'vepa' | 'bridge' | 'passthru' | 'source';
  /** MACVLAN_FLAG_ bits: 1 no promiscuous mode (`passthru`), 2 no further look-up (`source`). */
  flags?: number;
  /** Broadcast frames that may wait to be copied. */
  broadcastQueueLength?: number;
  /** Groups with at most so many members are served at once; -1: all wait in the queue. */
  broadcastCutoff?: number;
}
