import { Semaphore } from '../util/semaphore.js';

/**
 * Limits the attaches of this process that run at once; the others wait, and hold nothing but their locks. Enough of them
 * run for commits and messages to be shared, and few enough that garbage collection, for which V8 copies what is in use,
 * does not block the event loop. An attach that waits for dnsmasq or for other nodes is not counted meanwhile.
 */
export const attachLimit = new Semaphore(32);
