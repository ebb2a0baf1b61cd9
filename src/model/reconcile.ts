import { describeOperation } from '../kernel/describe.js';
import { Observer } from '../kernel/ensure/observer.js';
import { outstanding } from '../kernel/ensure/outstanding.js';
import type { Operation } from '../kernel/operation.js';
import { planFloatingIp } from '../plan/floating-ip.js';
import { planHost } from '../plan/host.js';
import { deviceName, planInterface } from '../plan/interface.js';
import { planNetwork } from '../plan/network.js';
import { GRAVEYARD } from '../plan/retire.js';
import { planRoutedIp } from '../plan/routed-ip.js';
import { isHeld } from './claim.js';
import { type Context, halo } from './context.js';
import { removeFloating } from './floating.js';
import { removeInterface } from './interface-lifecycle.js';
import { removeNetwork } from './network-lifecycle.js';
import { desiredFloating, type InterfaceRecord, type Lifecycle, type NetworkRecord } from './records.js';
import { readMembers, readNetwork, readNetworks } from './registry.js';
import { removeRouted } from './routed.js';

/** What is to be done, in words, and doing it. */
interface Repair {
  text: string;
  carryOut: () => Promise<void>;
}

/**
 * Makes kernel and dnsmasq match the store. Changes that a process began and did not live to finish are taken back or
 * finished; what is missing of everything else is made again by the plans that made it. Writes nothing where nothing
 * is missing. What is wrong with one network does not keep the others from being repaired.
 * @returns what was repaired (or would be, with `dryRun`), in words; what could not be is said as well
 */
export async function reconcile(context: Context, { dryRun }: { dryRun: boolean }): Promise<string[]> {
  const report: string[] = [];
  const run = async (repairs: Repair[]) => {
    for (const { text, carryOut } of repairs) {
      if (dryRun) report.push(text);
      else report.push(await outcome(text, carryOut));
    }
  };
  await reconcileHost(context, dryRun, report);
  for (const { uuid } of await readNetworks(context)) {
    await context.locks.exclusive(uuid, async () => {
      await run(await unfinished(context, uuid));
      await run(await drift(context, uuid));
    });
  }
  return report;
}

async function outcome(text: string, carryOut: () => Promise<void>): Promise<string> {
  try {
    await carryOut();
    return text;
  } catch (error) {
    return `${text}: failed: ${(error as Error).message}`;
  }
}

/** The host itself must be right: nothing works without its egress bridge. @throws KernelError */
export async function reconcileHost(context: Context, dryRun: boolean, report: string[] = []): Promise<void> {
  const { kernel, host, reaper } = context;
  const plan = planHost(host);
  const actual = await new Observer(kernel).look(plan);
  const operations = outstanding(plan, actual);
  if (operations.length > 0) report.push(`host: ${describe(operations, plan)}`);
  if (dryRun) return;
  if (operations.length > 0) await kernel.transaction(operations);
  const links = [...(actual.get(host.netns)?.links.values() ?? [])];
  if (links.some(({ group }) => group === GRAVEYARD)) reaper.wake();
}

/** True if a change was begun by a process that is no more, or that gave up. */
const isAbandoned = ({ state, claim }: Lifecycle) => state !== 'created' && !isHeld(claim);

/** Changes that nobody will finish but us: what was not completely made is removed, as is what was to be removed. */
async function unfinished(context: Context, uuid: string): Promise<Repair[]> {
  const scope = await readScope(context, uuid);
  if (scope === undefined) return [];
  const { network, members } = scope;
  if (isAbandoned(network)) {
    return [{ text: `${title(network)}: remove what is left of it`, carryOut: () => removeNetwork(context, uuid) }];
  }
  return [
    ...Object.entries(network.routed)
      .filter(([, lifecycle]) => isAbandoned(lifecycle))
      .map(([address]) => ({
        text: `${title(network)}: remove what is left of the routed address ${address}`,
        carryOut: () => removeRouted(context, uuid, address),
      })),
    ...members.flatMap((member): Repair[] => {
      const what = `${title(network)}, ${deviceName(member.attachment)}`;
      if (isAbandoned(member)) {
        return [
          {
            text: `${what}: remove what is left of it`,
            carryOut: () => removeInterface(context, member.uuid, halo(context)),
          },
        ];
      }
      if (member.floating === undefined || !isAbandoned(member.floating)) return [];
      const text = `${what}: remove what is left of the floating address ${member.floating.address}`;
      return [{ text, carryOut: () => removeFloating(context, member.uuid) }];
    }),
  ];
}

/** What lacks of a network that should be complete. */
async function drift(context: Context, uuid: string): Promise<Repair[]> {
  const { kernel, dhcp } = context;
  const scope = await readScope(context, uuid);
  if (scope?.network.state !== 'created') return [];
  const { network } = scope;
  const observer = new Observer(kernel);
  const missing = async (plan: readonly Operation[]) => outstanding(plan, await observer.look(plan));

  const repairs: Repair[] = [];
  for (const [what, plan] of plans(context, scope)) {
    const operations = await missing(plan);
    if (operations.length === 0) continue;
    repairs.push({
      text: `${what}: ${describe(operations, plan)}`,
      carryOut: () => kernel.transaction(operations, { rollback: false }),
    });
  }
  const served = await dhcp.isRunning(network);
  // Not missing but being changed, if the store has changed since: a change is recorded before it is made.
  if (JSON.stringify(scope) !== JSON.stringify(await readScope(context, uuid))) return [];
  if (!served) repairs.push({ text: `${title(network)}: start dnsmasq`, carryOut: () => dhcp.start(network) });
  return repairs;
}

/** The network with all its addresses is one plan, since its ruleset is one table; each interface is one of its own. */
function plans({ host, facts }: Context, { network, members }: Scope): [what: string, plan: Operation[]][] {
  const live = members.filter(({ state }) => state === 'created');
  const floating = live.flatMap((member) => {
    const wish = member.floating?.state === 'created' ? desiredFloating(member) : undefined;
    return wish === undefined ? [] : planFloatingIp(host, network, wish);
  });
  const routed = Object.entries(network.routed)
    .filter(([, { state }]) => state === 'created')
    .flatMap(([address]) => planRoutedIp(host, network, address));
  return [
    [title(network), [...planNetwork(host, facts.underlay, network), ...floating, ...routed]],
    ...live.map((member): [string, Operation[]] => [
      `${title(network)}, ${deviceName(member.attachment)}`,
      planInterface(host, network, member),
    ]),
  ];
}

/** Sees to it that every dnsmasq that runs is watched by this process too. One after the other, until stopped. */
export async function adoptAll(context: Context, signal: AbortSignal): Promise<void> {
  for (const { uuid } of await readNetworks(context)) {
    if (signal.aborted) return;
    await context.locks.shared(uuid, async () => {
      const scope = await readScope(context, uuid);
      // A failure is the watch's to report and to try again.
      if (scope?.network.state === 'created') await context.dhcp.start(scope.network).catch(() => undefined);
    });
  }
}

interface Scope {
  network: NetworkRecord;
  members: InterfaceRecord[];
}

async function readScope(context: Context, uuid: string): Promise<Scope | undefined> {
  const network = await readNetwork(context, uuid).catch(() => undefined);
  return network && { network, members: await readMembers(context, uuid) };
}

/** Operations in words, with the names that the plan gives to links instead of their indexes. */
function describe(operations: readonly Operation[], plan: readonly Operation[]): string {
  const names = new Map(plan.flatMap(linksOf).map(({ index, name }) => [String(index), name ?? '']));
  const text = operations.map(describeOperation).join(', ');
  return text.replace(/\blink (\d+)/g, (link, index) => names.get(index) ?? link);
}

function linksOf(operation: Operation): { index?: number; name?: string }[] {
  if (operation.op === 'tap.add') return [operation.tap];
  if (operation.op !== 'link.add') return [];
  return operation.link.kind === 'veth' ? [operation.link, operation.link.data.peer] : [operation.link];
}

const title = ({ name, uuid }: NetworkRecord) => `network ${name} (${uuid})`;
