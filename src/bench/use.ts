import type { Contender } from './contender.js';
import type { Slot, Stage } from './stage.js';
import { VerificationError } from './verify.js';

/** Time-out of an echo request in milliseconds, and the number of requests. A new port may lose the first ones. */
const TIMEOUT = 500;
const ATTEMPTS = 10;

/**
 * Sends traffic through each interface, as every real interface carries some: an ICMP echo to the gateway and, if the
 * contender has NAT, to an address outside. Conntrack then has entries of the instance. Not measured.
 * @throws VerificationError without a reply
 */
export async function useInterfaces({ kernel }: Stage, { lan }: Contender, slots: readonly Slot[]): Promise<void> {
  const destinations = [lan.gateway, lan.outside].filter((address) => address !== undefined);
  await Promise.all(
    slots.map(async ({ netns }) => {
      for (const address of destinations) {
        let reply: number | undefined;
        for (let attempt = 0; reply === undefined && attempt < ATTEMPTS; attempt++) {
          reply = await kernel.ping(address, { netns, timeout: TIMEOUT });
        }
        if (reply === undefined) throw new VerificationError(`${address} does not reply to ${netns}`);
      }
    }),
  );
}
