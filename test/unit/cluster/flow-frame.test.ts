import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { encodeFrame, FrameReader, MOST_FLOWS } from '../../../src/cluster/flow-frame.js';
import { FlowTable, listFrames } from '../../../src/cluster/flow-stream.js';
import type { Flow } from '../../../src/cluster/flows.js';
import { ValidationError } from '../../../src/errors.js';

const network = '17be6538-8f96-4ccb-b71e-a7e3022fead3';

const tcp: Flow = {
  original: {
    source: '10.0.0.1',
    destination: '192.168.15.29',
    protocol: 'tcp',
    sourcePort: 4000,
    destinationPort: 80,
  },
  reply: { source: '172.16.0.37', destination: '10.0.0.1', protocol: 'tcp', sourcePort: 80, destinationPort: 4000 },
  timeout: 432_000,
  replied: true,
  assured: true,
  tcp: { state: 'established', originalWindowScale: 7, replyWindowScale: 14, originalFlags: 0x0b, replyFlags: 0xff },
};
const icmp: Flow = {
  original: { source: '172.16.0.5', destination: '10.0.0.9', protocol: 'icmp', icmpId: 7, icmpType: 8, icmpCode: 0 },
  reply: {
    source: '10.0.0.9',
    destination: '192.168.15.194',
    protocol: 'icmp',
    icmpId: 65535,
    icmpType: 0,
    icmpCode: 0,
  },
  timeout: 30,
  replied: true,
  assured: false,
};
const udp: Flow = {
  ...icmp,
  original: { source: '172.16.0.5', destination: '10.0.0.9', protocol: 'udp', sourcePort: 1, destinationPort: 65535 },
  reply: { source: '10.0.0.9', destination: '255.255.255.255', protocol: 'udp', sourcePort: 65535, destinationPort: 2 },
};

/** Frames, or the error. */
function read(bytes: Buffer): unknown {
  try {
    return new FrameReader().push(bytes);
  } catch (error) {
    return error;
  }
}

describe('frames of flows', () => {
  test('are read as they were written, however the stream is cut', () => {
    const written = [
      { kind: 'begin', network, flows: [] },
      { kind: 'put', network, flows: [tcp, icmp, udp] },
      { kind: 'delete', network, flows: [icmp] },
      { kind: 'end', network, flows: [] },
    ] as const;
    const bytes = Buffer.concat(written.map(encodeFrame));
    for (const step of [1, 7, 64, bytes.length]) {
      const reader = new FrameReader();
      const read = [];
      for (let at = 0; at < bytes.length; at += step) read.push(...reader.push(bytes.subarray(at, at + step)));
      expect(read).toEqual(written);
    }
  });

  test('have this form', () => {
    expect(encodeFrame({ kind: 'put', network, flows: [tcp] }).toString('hex')).toBe(
      '00000037' + // length of what follows
        '0100' + // version, kind
        network.replaceAll('-', '') +
        '0001' + // flows
        '220306' + // length of the record, flags, protocol
        '00069780' + // timeout
        '0a000001c0a80f1d0fa00050' +
        'ac1000250a00000100500fa0' +
        '037e0bff', // state, window scales, flags
    );
  });

  test('skip what a later version adds: longer records and other kinds', () => {
    const frame = encodeFrame({ kind: 'put', network, flows: [icmp] });
    const longer = Buffer.concat([frame, Buffer.from([1, 2, 3])]);
    longer.writeUInt32BE(longer.length - 4, 0);
    longer.writeUInt8(longer.readUInt8(24) + 3, 24);
    const unknown = Buffer.from(frame);
    unknown.writeUInt8(99, 5);
    expect(new FrameReader().push(Buffer.concat([longer, unknown, frame])).map(({ flows }) => flows)).toEqual([
      [icmp],
      [icmp],
    ]);
  });

  test.each<[string, (frame: Buffer) => unknown]>([
    ['another version', (frame) => frame.writeUInt8(2, 4)],
    ['a length beyond the limit', (frame) => frame.writeUInt32BE(0xffff_ffff, 0)],
    ['a length below the header', (frame) => frame.writeUInt32BE(3, 0)],
    ['more records than bytes', (frame) => frame.writeUInt16BE(2, 22)],
    ['a record that ends beyond the frame', (frame) => frame.writeUInt8(0xff, 24)],
    ['a record that is too short', (frame) => frame.writeUInt8(3, 24)],
    ['no state of TCP', (frame) => frame.writeUInt8(77, frame.length - 4)],
  ])('%s is an error', (_about, damage) => {
    const frame = encodeFrame({ kind: 'put', network, flows: [tcp] });
    expect(new FrameReader().push(Buffer.from(frame))).toHaveLength(1);
    damage(frame);
    expect(() => new FrameReader().push(frame)).toThrow(ValidationError);
  });

  test('of any bytes are frames or a ValidationError', () => {
    const frame = encodeFrame({ kind: 'put', network, flows: [tcp, udp] });
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(frame.length - 1), fc.nat(255)), { maxLength: 8 }), (changes) => {
        const damaged = Buffer.from(frame);
        for (const [at, value] of changes) damaged.writeUInt8(value, at);
        const result = read(damaged);
        expect(Array.isArray(result) || result instanceof ValidationError).toBe(true);
      }),
    );
  });

  test('too many flows for a frame are rejected, and fit into several', () => {
    const many = Array.from(
      { length: MOST_FLOWS + 1 },
      (_, index): Flow => ({
        ...udp,
        original: { ...udp.original, sourcePort: index },
      }),
    );
    expect(() => encodeFrame({ kind: 'put', network, flows: many })).toThrow(ValidationError);
    const table = new FlowTable();
    const reader = new FrameReader();
    for (const bytes of listFrames(network, many)) for (const frame of reader.push(bytes)) table.apply(frame);
    expect(table.flows(network)).toEqual(many);
  });
});

describe('the table of a standby', () => {
  test('has the flows of the last complete list, and the changes during and after it', () => {
    const table = new FlowTable();
    table.apply({ kind: 'put', network, flows: [icmp] });
    table.apply({ kind: 'begin', network, flows: [] });
    table.apply({ kind: 'put', network, flows: [tcp] });
    // Before the list is complete, both.
    expect(table.flows(network)).toEqual([icmp, tcp]);
    table.apply({ kind: 'end', network, flows: [] });
    expect(table.flows(network)).toEqual([tcp]);
    table.apply({ kind: 'put', network, flows: [udp, { ...tcp, assured: false }] });
    expect(table.flows(network)).toEqual([{ ...tcp, assured: false }, udp]);
    table.apply({ kind: 'delete', network, flows: [udp] });
    expect(table.flows(network)).toHaveLength(1);
    expect(table.flows('another network')).toEqual([]);
    table.forget(network);
    expect(table.flows(network)).toEqual([]);
  });

  test('is bounded', () => {
    const table = new FlowTable(1);
    table.apply({ kind: 'put', network, flows: [icmp, tcp] });
    table.apply({ kind: 'put', network, flows: [{ ...icmp, timeout: 5 }] });
    expect(table.flows(network)).toEqual([{ ...icmp, timeout: 5 }]);
  });
});
