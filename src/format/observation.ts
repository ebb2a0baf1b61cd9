import type { HostEvent, InterfaceCounters, NetworkCounters } from '../api/types.js';
import { table } from './table.js';

/** Formats an event on one line: time, event, subject, duration, reason. */
export function formatEvent(event: HostEvent): string {
  const { time, duration, cause, network, address, detail, error } = event;
  const subject = [event.interface ?? network, address].filter((part) => part !== undefined).join(' ');
  const parts = [
    ...[time, event.event, subject, `${duration.toFixed(1)} ms`, cause === 'request' ? '' : `(${cause})`],
    detail ?? '',
    error === undefined ? '' : `failed: ${error.code}: ${error.message}`,
  ];
  return parts.filter((part) => part !== '').join('  ');
}

/** Result of `vethwork stats`. */
export interface Statistics {
  networks: readonly { uuid: string; name: string; counters: NetworkCounters }[];
  interfaces: readonly { uuid: string; device: string; counters: InterfaceCounters }[];
}

const HEADERS = ['SENT', 'BYTES', 'DROPPED', 'RECEIVED', 'BYTES', 'DROPPED'];

function columns({ sent, received }: InterfaceCounters): string[] {
  return [sent, received].flatMap(({ packets, bytes, dropped }) => [packets, bytes, dropped]).map(String);
}

export function formatStatistics({ networks, interfaces }: Statistics): string {
  const parts = networks.flatMap(({ uuid, name, counters }) => {
    const { rules: _, ...all } = counters;
    return Object.entries(all).map(([part, counted]) => [uuid, name, part, ...columns(counted)]);
  });
  const rules = networks.flatMap(({ name, counters }) =>
    Object.entries(counters.rules ?? {}).map(([rule, { packets, bytes }]) => [
      name,
      rule,
      String(packets),
      String(bytes),
    ]),
  );
  return [
    table(['NETWORK', 'NAME', 'PART', ...HEADERS], parts),
    table(
      ['INTERFACE', 'DEVICE', ...HEADERS],
      interfaces.map(({ uuid, device, counters }) => [uuid, device, ...columns(counters)]),
    ),
    table(['NETWORK', 'RULE', 'PACKETS', 'BYTES'], rules),
  ].join('\n\n');
}
