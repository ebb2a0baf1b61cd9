import { placeOf } from '../kernel/ensure/actual.js';
import { missingOperations } from '../kernel/ensure/missing.js';
import type { Observer } from '../kernel/ensure/observer.js';
import { extraneousOperations } from '../plan/extraneous.js';
import { yieldIfNeeded } from '../util/yield.js';
import type { Context } from './context.js';
import { checkPresence } from './presence.js';
import { describeOperations, type Repair } from './repair.js';
import { isChanging } from './unfinished.js';
import { networkTitle, type Scope, wishesOf } from './wishes.js';

/** What lacks of a network that should be complete, and what it has beyond that. */
export async function driftOf(context: Context, recorded: Scope, observer: Observer): Promise<Repair[]> {
  const { kernel, host, facts, dhcp } = context;
  const { network } = recorded;
  if (network.state !== 'created') return [];
  const { repairs, scope, unreachable } = await checkPresence(context, recorded, observer);
  const wishes = wishesOf(host, facts.underlay, scope);
  const whole = wishes.flatMap(({ plan }) => plan);
  const actual = await observer.observe(whole);
  await yieldIfNeeded();
  for (const { what, plan, interface: nic } of wishes) {
    const operations = missingOperations(plan, actual).filter((operation) => !unreachable.has(placeOf(operation)));
    if (operations.length === 0) continue;
    repairs.push({
      text: `${what}: ${describeOperations(operations, plan)}`,
      ...(nic !== undefined && { interface: nic }),
      carryOut: () => kernel.transaction(operations, { rollback: false }),
    });
  }
  // What somebody is about to make, or to take away, is not in the plans.
  if (!isChanging(scope)) {
    const operations = extraneousOperations(whole, network.uuid, host.netns, actual);
    if (operations.length > 0) {
      repairs.push({
        text: `${networkTitle(network)}: ${describeOperations(operations, whole)}`,
        carryOut: () => kernel.teardown(operations).then(throwFirst),
      });
    }
  }
  const lacking = await dhcp.lacking(network, { files: !isChanging(scope) });
  if (lacking !== undefined) {
    repairs.push({ text: `${networkTitle(network)}: ${lacking}`, carryOut: () => dhcp.start(network) });
  }
  return repairs;
}

function throwFirst([error]: readonly Error[]): void {
  if (error !== undefined) throw error;
}
