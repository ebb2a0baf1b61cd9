import { Semaphore } from '../util/semaphore.js';

/**
 * Limits the concurrent attaches of this process. Further attaches wait; they hold only their locks. The limit is high
 * enough for attaches to share commits and sends. It is low enough to keep garbage collection short, because V8 copies
 * live objects, and for the first callers of a burst to have their interfaces early. An attach that waits for dnsmasq or
 * for other nodes does not count.
 */
export const attachLimit = new Semaphore(24);
