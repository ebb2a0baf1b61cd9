import { type Background, inside, start } from './tools.js';

/** Capture point: a device in a namespace. */
export interface Tap {
  netns: string;
  device: string;
}

/** One packet as tcpdump prints it: `10.0.0.1 > 192.168.15.29: ICMP echo request, …` */
export interface Packet {
  source: string;
  destination: string;
  info: string;
}

/** A running tcpdump on one device. */
export class Capture {
  private constructor(
    readonly tap: Tap,
    private readonly tcpdump: Background,
  ) {}

  /** Resolves when tcpdump captures. @param filter a pcap filter expression */
  static async start(tap: Tap, ...filter: string[]): Promise<Capture> {
    const tcpdump = start(inside(tap.netns, ...Capture.command(tap, ...filter)));
    await tcpdump.until(/listening on/).catch(async (error: unknown) => {
      await tcpdump.stop();
      throw error;
    });
    return new Capture(tap, tcpdump);
  }

  static command(tap: Tap, ...filter: string[]): string[] {
    return ['tcpdump', '--immediate-mode', '-lntq', '-i', tap.device, ...filter];
  }

  /** Resolves when a packet that matches has been seen. */
  async until(pattern: RegExp): Promise<void> {
    await this.tcpdump.until(pattern);
  }

  /** Stops the capture and returns all captured packets. */
  async stop(): Promise<Packet[]> {
    return parsePackets(await this.tcpdump.stop());
  }
}

/** Parses the output of `tcpdump -ntq`. Packets other than IPv4 are skipped. */
export function parsePackets(text: string): Packet[] {
  return text.split('\n').flatMap((line) => {
    const match = /^IP (\d+\.\d+\.\d+\.\d+)(?:\.\d+)? > (\d+\.\d+\.\d+\.\d+)(?:\.\d+)?: (.*)$/.exec(line);
    return match === null ? [] : [{ source: match[1] ?? '', destination: match[2] ?? '', info: match[3] ?? '' }];
  });
}
