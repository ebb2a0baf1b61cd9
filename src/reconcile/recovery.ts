import { interfaceTitle, networkTitle, type Scope } from '../desired/network-state.js';
import { type Context, halo } from '../host/context.js';
import { removeInterface } from '../operations/attach.js';
import { removeNetwork } from '../operations/create-network.js';
import { removeFloating } from '../operations/float.js';
import { removeRouted } from '../operations/route.js';
import { isHeld } from '../records/claim.js';
import type { Lifecycle } from '../records/records.js';
import type { Repair } from './repair.js';

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
