import { match, nftTable, type SetElement, statement } from '../kernel/nftables/index.js';
import type { Operation } from '../kernel/operation.js';
import type { DesiredHost, DesiredNetwork } from './desired.js';
import { FLOATING_PREFIX, networkNames } from './names.js';

const table = nftTable('ip', 'vethwork');
/** Floating address -> address of the instance. */
const FLOATING = { keyType: 'ipv4_addr', dataType: 'ipv4_addr' } as const;
/** Addresses that are routed into the network. */
const ROUTED = { keyType: 'ipv4_addr' } as const;

/**
 * Addresses of the floating network that instances have begun to talk to lately. Each may be nobody's, and is in the neighbour
 * table of the machine for about as long as the kernel asks for it (three times, a second apart).
 */
const ASKED = { keyType: 'ipv4_addr', dynamic: true, timeout: 3000, size: 64 } as const;

const { accept, counter, drop, masquerade } = statement;

/** What is the same in every network is made once. */
const established = [match.state('established', 'related'), accept()];
const toFloating = match.destinationTranslated();
const rest = [counter(), drop()];
const prerouting = {
  floating: [match.inputInterface(`${FLOATING_PREFIX}*`), match.state('new'), statement.markConnectionByInput()],
  reply: [match.replyDirection(), match.marked(), statement.markPacketByConnection()],
};
const local = {
  loopback: [match.inputInterface('lo'), accept()],
  ping: [match.echoRequest(), accept()],
  dhcp: [match.udpPort(67), accept()],
  dns: { udp: [match.udpPort(53), accept()], tcp: [match.tcpPort(53), accept()] },
};

/**
 * The ruleset of a network's namespace. It is the same whatever addresses float or are routed: those are elements, so
 * the thousandth costs what the first does.
 */
export function planRuleset(
  network: DesiredNetwork,
  { floatingNetwork }: Pick<DesiredHost, 'floatingNetwork'>,
): Operation {
  const names = networkNames(network.vni);
  const inside = names.innerInner;
  const outside = network.egress === undefined ? undefined : names.egressInner;
  const fromInside = match.inputInterface(inside);
  const toInside = match.outputInterface(inside);
  const toNeighbours =
    outside === undefined
      ? []
      : [
          fromInside,
          match.outputInterface(outside),
          match.sourceAddress(network.netblock),
          match.destinationAddress(floatingNetwork),
        ];

  return {
    op: 'nftables.batch',
    netns: network.uuid,
    commands: [
      table.add(),
      table.set('floating', FLOATING),
      table.set('routed', ROUTED),
      ...(outside === undefined ? [] : [table.set('asked', ASKED)]),
      ...table.chain(
        'prerouting',
        { type: 'filter', hook: 'prerouting', priority: -150 },
        {
          'a connection remembers its floating link': prerouting.floating,
          'replies leave through that link': [fromInside, ...prerouting.reply],
        },
      ),
      ...table.chain(
        'dstnat',
        { type: 'nat', hook: 'prerouting', priority: -100 },
        { 'floating addresses': [statement.translateDestinationBy('floating')] },
      ),
      ...table.chain(
        'srcnat',
        { type: 'nat', hook: 'postrouting', priority: 100 },
        {
          ...(outside !== undefined && {
            'instances appear as the floating gateway': [
              match.sourceAddress(network.netblock),
              match.outputInterface(outside),
              counter(),
              masquerade(),
            ],
          }),
          // The instance would answer a neighbour directly, which expects an answer from the floating address.
          'instances reach floating addresses of their own network': [
            fromInside,
            toInside,
            toFloating,
            counter(),
            masquerade(),
          ],
        },
      ),
      ...table.chain(
        'forward',
        { type: 'filter', hook: 'forward', priority: 0, policy: 'drop' },
        {
          'known connections': established,
          'to floating addresses': [toFloating, counter(), accept()],
          ...(outside !== undefined && {
            'instances to few addresses of the floating network at a time': [
              ...toNeighbours,
              statement.addDestinationTo('asked'),
              counter(),
              accept(),
            ],
            'instances to more of them': [...toNeighbours, ...rest],
            'instances to the outside': [
              fromInside,
              match.outputInterface(outside),
              match.sourceAddress(network.netblock),
              counter(),
              accept(),
            ],
            // Requests come in on the host's bridge: here only the replies pass, to which no connection is known.
            'replies of routed addresses': [
              fromInside,
              match.outputInterface(outside),
              match.sourceIn('routed'),
              counter(),
              accept(),
            ],
          }),
          'instances to routed addresses of their own network': [
            fromInside,
            toInside,
            match.destinationIn('routed'),
            counter(),
            accept(),
          ],
          'everything else': rest,
        },
      ),
      ...table.chain(
        'input',
        { type: 'filter', hook: 'input', priority: 0, policy: 'drop' },
        {
          loopback: local.loopback,
          'known connections': established,
          ping: local.ping,
          ...(network.provideDhcp && { DHCP: [fromInside, ...local.dhcp] }),
          ...(network.provideDns && {
            'DNS over UDP': [fromInside, ...local.dns.udp],
            'DNS over TCP': [fromInside, ...local.dns.tcp],
          }),
          'everything else': rest,
        },
      ),
    ],
  };
}

/** Makes an address float: one element, however many there are. */
export const addFloating = (network: string, address: string, target: string): Operation =>
  batch(network, table.addElements('floating', FLOATING, [{ key: address, data: target }]));

export const deleteFloating = (network: string, address: string, target: string): Operation =>
  batch(network, table.deleteElements('floating', FLOATING, [{ key: address, data: target }]));

export const addRouted = (network: string, address: string): Operation =>
  batch(network, table.addElements('routed', ROUTED, [element(address)]));

export const deleteRouted = (network: string, address: string): Operation =>
  batch(network, table.deleteElements('routed', ROUTED, [element(address)]));

const element = (address: string): SetElement => ({ key: address });

function batch(netns: string, ...commands: Extract<Operation, { op: 'nftables.batch' }>['commands']): Operation {
  return { op: 'nftables.batch', netns, commands };
}
