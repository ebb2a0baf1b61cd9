import { Semaphore } from '../util/semaphore.js';

/**
 * Limits the concurrent attaches of this process. Further attaches wait; they hold only their locks. The limit is high
 * enough for attaches to share commits and sends, and low enough to keep garbage collection short: V8 copies live
 * objects. An attach that waits for dnsmasq or for other nodes does not count.
 */
export const attachLimit = new Semaphore(32);
