import { ValidationError } from '../errors.js';
import { addressFromNumber, addressToNumber } from '../ipam/address.js';
import type { ConnectionTuple, TcpState } from '../kernel/connection.js';
import type { Flow } from './flows.js';

/*
 * Wire format of flows between network nodes. All numbers are big-endian.
 *
 *   frame   length of what follows (4 bytes), version (1), kind (1), UUID of the network (16), count (2), records
 *   record  length of what follows (1), flags (1), protocol (1), timeout in seconds (4), original, reply, TCP
 *   tuple   source (4), destination (4), source port or ICMP id (2), destination port or ICMP type and code (2)
 *   TCP     state (1), window scale of both directions (4 bits each), flags of both directions (1 each); only for TCP
 *
 * A later version may add bytes at the end of a record and other kinds of frames: readers ignore them. A reader rejects a
 * frame of another version.
 */

/**
 * `put`: the flows are new or have changed. `delete`: they have ended. `begin` and `end` enclose the `put` frames with all
 * flows of the network: flows that are not among them have ended.
 */
export type FlowFrame = { kind: FrameKind; network: string; flows: readonly Flow[] };
export type FrameKind = (typeof KINDS)[number];

const KINDS = ['put', 'delete', 'begin', 'end'] as const;
const VERSION = 1;
const HEADER = 4 + 1 + 1 + 16 + 2;
const RECORD = 1 + 1 + 1 + 4 + 12 + 12;
const TCP_BYTES = 4;
/** Longest frame, length included. */
const LONGEST = 64 * 1024;
/** Most flows of a frame. */
export const MOST_FLOWS = Math.floor((LONGEST - HEADER) / (RECORD + TCP_BYTES));

const REPLIED = 1;
const ASSURED = 2;

const PROTOCOLS: Readonly<Record<string, number>> = { icmp: 1, tcp: 6, udp: 17, gre: 47, icmpv6: 58, sctp: 132 };
const PROTOCOL_NAMES = new Map(Object.entries(PROTOCOLS).map(([name, number]) => [number, name]));
const TCP = 6;
const ICMP = 1;

/** In the order of the kernel's numbers (TCP_CONNTRACK_…). */
const TCP_STATES: readonly TcpState[] = [
  ...(['none', 'synSent', 'synReceived', 'established', 'finWait'] as const),
  ...(['closeWait', 'lastAck', 'timeWait', 'close', 'synSent2'] as const),
];

/** Encodes a frame. @throws ValidationError for too many flows, or a UUID that is none */
export function encodeFrame({ kind, network, flows }: FlowFrame): Buffer {
  if (flows.length > MOST_FLOWS) throw new ValidationError('flows', flows.length, `at most ${MOST_FLOWS} flows`);
  const uuid = Buffer.from(network.replaceAll('-', ''), 'hex');
  if (uuid.length !== 16) throw new ValidationError('network', network, 'a UUID');
  const header = Buffer.alloc(HEADER);
  const records = flows.map(encodeRecord);
  const length = records.reduce((sum, record) => sum + record.length, HEADER);
  header.writeUInt32BE(length - 4, 0);
  header.writeUInt8(VERSION, 4);
  header.writeUInt8(KINDS.indexOf(kind), 5);
  uuid.copy(header, 6);
  header.writeUInt16BE(flows.length, 22);
  return Buffer.concat([header, ...records], length);
}

function encodeRecord({ original, reply, timeout, replied, assured, tcp }: Flow): Buffer {
  const record = Buffer.alloc(RECORD + (tcp === undefined ? 0 : TCP_BYTES));
  record.writeUInt8(record.length - 1, 0);
  record.writeUInt8((replied ? REPLIED : 0) | (assured ? ASSURED : 0), 1);
  record.writeUInt8(protocolNumber(original), 2);
  record.writeUInt32BE(timeout, 3);
  encodeTuple(record, 7, original);
  encodeTuple(record, 19, reply);
  if (tcp !== undefined) {
    const { state, originalWindowScale = 0, replyWindowScale = 0, originalFlags = 0, replyFlags = 0 } = tcp;
    record.writeUInt8(TCP_STATES.indexOf(state), RECORD);
    record.writeUInt8((originalWindowScale << 4) | replyWindowScale, RECORD + 1);
    record.writeUInt8(originalFlags, RECORD + 2);
    record.writeUInt8(replyFlags, RECORD + 3);
  }
  return record;
}

function encodeTuple(record: Buffer, at: number, tuple: ConnectionTuple): void {
  record.writeUInt32BE(addressToNumber(tuple.source), at);
  record.writeUInt32BE(addressToNumber(tuple.destination), at + 4);
  record.writeUInt16BE(tuple.icmpId ?? tuple.sourcePort ?? 0, at + 8);
  const { icmpType, icmpCode = 0, destinationPort = 0 } = tuple;
  record.writeUInt16BE(icmpType === undefined ? destinationPort : (icmpType << 8) | icmpCode, at + 10);
}

const protocolNumber = ({ protocol }: ConnectionTuple): number =>
  typeof protocol === 'number' ? protocol : (PROTOCOLS[protocol] ?? 0);

/** Reads frames from a stream of bytes. It holds at most one incomplete frame. */
export class FrameReader {
  #pending: Buffer = Buffer.alloc(0);

  /**
   * Adds bytes and returns the frames that are complete. Frames of unknown kinds are skipped.
   * @throws ValidationError for bytes that are no frame; the stream cannot be continued
   */
  push(bytes: Uint8Array): FlowFrame[] {
    this.#pending = Buffer.concat([this.#pending, bytes]);
    const frames: FlowFrame[] = [];
    let at = 0;
    while (this.#pending.length - at >= 4) {
      const length = this.#pending.readUInt32BE(at);
      if (length < HEADER - 4 || length > LONGEST - 4) {
        throw new ValidationError('frame.length', length, `${HEADER - 4} to ${LONGEST - 4} bytes`);
      }
      if (this.#pending.length - at - 4 < length) break;
      const frame = decodeFrame(this.#pending.subarray(at + 4, at + 4 + length));
      if (frame !== undefined) frames.push(frame);
      at += 4 + length;
    }
    this.#pending = Buffer.from(this.#pending.subarray(at));
    return frames;
  }
}

function decodeFrame(frame: Buffer): FlowFrame | undefined {
  const version = frame.readUInt8(0);
  if (version !== VERSION) throw new ValidationError('frame.version', version, String(VERSION));
  const kind = KINDS[frame.readUInt8(1)];
  if (kind === undefined) return undefined;
  const hex = frame.toString('hex', 2, 18);
  const network = hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
  const flows: Flow[] = [];
  let at = HEADER - 4;
  for (let left = frame.readUInt16BE(18); left > 0; left -= 1) {
    const length = at < frame.length ? frame.readUInt8(at) : 0;
    const record = frame.subarray(at + 1, at + 1 + length);
    if (length < RECORD - 1 || record.length !== length) {
      throw new ValidationError('frame.records', length, `complete records of at least ${RECORD - 1} bytes`);
    }
    flows.push(decodeRecord(record));
    at += 1 + length;
  }
  return { kind, network, flows };
}

function decodeRecord(record: Buffer): Flow {
  const flags = record.readUInt8(0);
  const protocol = record.readUInt8(1);
  const flow = {
    original: decodeTuple(record, 6, protocol),
    reply: decodeTuple(record, 18, protocol),
    // What the kernel accepts.
    timeout: record.readUInt32BE(2) & 0x7fff_ffff,
    replied: (flags & REPLIED) !== 0,
    assured: (flags & ASSURED) !== 0,
  };
  const at = RECORD - 1;
  if (protocol !== TCP) return flow;
  if (record.length < at + TCP_BYTES) throw new ValidationError('frame.records', record.length, 'the state of TCP');
  const state = TCP_STATES[record.readUInt8(at)];
  if (state === undefined) throw new ValidationError('frame.records', record.readUInt8(at), 'a state of TCP');
  // 14 is the largest window scale (RFC 7323).
  const scale = (bits: number) => Math.min(bits & 0xf, 14);
  const scales = record.readUInt8(at + 1);
  const tcp = {
    ...{ state, originalWindowScale: scale(scales >> 4), replyWindowScale: scale(scales) },
    ...{ originalFlags: record.readUInt8(at + 2), replyFlags: record.readUInt8(at + 3) },
  };
  return { ...flow, tcp };
}

function decodeTuple(record: Buffer, at: number, protocol: number): ConnectionTuple {
  const ends = {
    source: addressFromNumber(record.readUInt32BE(at)),
    destination: addressFromNumber(record.readUInt32BE(at + 4)),
    protocol: (PROTOCOL_NAMES.get(protocol) ?? protocol) as ConnectionTuple['protocol'],
  };
  const first = record.readUInt16BE(at + 8);
  const second = record.readUInt16BE(at + 10);
  return protocol === ICMP
    ? { ...ends, icmpId: first, icmpType: second >> 8, icmpCode: second & 0xff }
    : { ...ends, sourcePort: first, destinationPort: second };
}
