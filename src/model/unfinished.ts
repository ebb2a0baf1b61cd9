import { isHeld } from './claim.js';
import { type Context, halo } from './context.js';
import { removeFloating } from './floating.js';
import { removeInterface } from './interface-lifecycle.js';
import { removeNetwork } from './network-lifecycle.js';
import type { Lifecycle } from './records.js';
import type { Repair } from './repair.js';
import { removeRouted } from './routed.js';
import { interfaceTitle, networkTitle, type Scope } from './wishes.js';

/** True if a change was begun by a process that is no more, or that gave up. */
const isAbandoned = ({ state, claim }: Lifecycle) => state !== 'created' && !isHeld(claim);

/** True if a process is at work on anything of the network, or was. */
export const isChanging = ({ network, members }: Scope): boolean =>
  [network, ...Object.values(network.routed), ...members, ...members.map(({ floating }) => floating)].some(
    (lifecycle) => lifecycle !== undefined && lifecycle.state !== 'created',
  );

/** Changes that nobody will finish but us: what was not completely made is removed, as is what was to be removed. */
export function unfinished(context: Context, { network, members }: Scope): Repair[] {
  const { uuid } = network;
  if (isAbandoned(network)) {
    const text = `${networkTitle(network)}: remove what is left of it`;
    return [{ text, carryOut: () => removeNetwork(context, uuid, isAbandoned) }];
  }
  return [
    ...Object.entries(network.routed)
      .filter(([, lifecycle]) => isAbandoned(lifecycle))
      .map(([address]) => ({
        text: `${networkTitle(network)}: remove what is left of the routed address ${address}`,
        carryOut: () => removeRouted(context, uuid, address, isAbandoned),
      })),
    ...members.flatMap((member): Repair[] => {
      const what = interfaceTitle(network, member);
      if (isAbandoned(member)) {
        const text = `${what}: remove what is left of it`;
        return [
          {
            text,
            interface: member.uuid,
            carryOut: () => removeInterface(context, member.uuid, halo(context), isAbandoned),
          },
        ];
      }
      if (member.floating === undefined || !isAbandoned(member.floating)) return [];
      const text = `${what}: remove what is left of the floating address ${member.floating.address}`;
      return [{ text, interface: member.uuid, carryOut: () => removeFloating(context, member.uuid, isAbandoned) }];
    }),
  ];
}
