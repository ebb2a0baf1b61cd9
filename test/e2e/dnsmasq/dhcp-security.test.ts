import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runtimePaths, runtimeRoot } from '../../../src/dnsmasq/index.js';
import type { AttachOptions, Network } from '../../../src/index.js';
import { askForLease } from '../../support/dhcp.js';
import { eventually, privileged, type TestNamespace } from '../../support/namespaces.js';
import { python, scapy } from '../../support/scapy.js';
import { Ear, pings } from '../../support/traffic.js';
import { type Instance, Walkthrough } from '../../support/walkthrough.js';

const VNI = 0xe2300f;
const INNER = 'veth-e2300f-i';
const GATEWAY = '172.16.0.1';

/** What an instance may say: expressions of scapy that give a frame. `me`: its MAC; the others are told below. */
const HONEST = {
  'a DISCOVER': `b/IP(src="0.0.0.0", dst="255.255.255.255")/dhcp("discover", me)`,
  'an INFORM to the server': `Ether(src=me, dst=router)/IP(src=mine, dst=gateway)/dhcp("inform", me, ciaddr=mine)`,
  'a DISCOVER behind IP options': `b/IP(src="0.0.0.0", dst="255.255.255.255", options=IPOption_NOP()*8)/dhcp("discover", me)`,
  'UDP of its own': `u/IP(src=mine, dst=victim)/UDP(sport=1234, dport=9999)/Raw(b"x"*20)`,
  'a fragment of its own': `u/IP(src=mine, dst=victim, flags="MF")/UDP(sport=1234, dport=9999)/Raw(b"x"*24)`,
} as const;

/** What it may not, as expressions too. */
const LIES = {
  'a DECLINE of another': `b/any/dhcp("decline", other)`,
  'a RELEASE of another': `Ether(src=me, dst=router)/IP(src=mine, dst=gateway)/dhcp("release", other, ciaddr=victim)`,
  'a REQUEST of another': `b/any/dhcp("request", other)`,
  'a DISCOVER of another': `b/any/dhcp("discover", other)`,
  'an INFORM of another': `Ether(src=me, dst=router)/IP(src=mine, dst=gateway)/dhcp("inform", other, ciaddr=victim)`,
  'a BOOTP request of another': `b/any/ports/BOOTP(chaddr=mac2str(other))`,
  'another kind of hardware': `b/any/dhcp("discover", me, htype=6)`,
  'a longer hardware address': `b/any/dhcp("discover", me, hlen=16)`,
  'no hardware address': `b/any/dhcp("discover", me, hlen=0)`,
  'an answer to the server': `b/any/dhcp("discover", me, op=2)`,
  'a relayed message': `b/any/dhcp("discover", me, giaddr=victim)`,
  'a DECLINE behind an IP option': `b/IP(src="0.0.0.0", dst="255.255.255.255", options=IPOption_NOP()*4)/dhcp("decline", other)`,
  'a DECLINE behind 40 bytes of IP options': `b/IP(src="0.0.0.0", dst="255.255.255.255", options=IPOption_NOP()*40)/dhcp("decline", other)`,
  'the first fragment of a DECLINE': `b/IP(src="0.0.0.0", dst="255.255.255.255", flags="MF")/dhcp("decline", other)`,
  'the first fragment of its own message': `b/IP(src=mine, dst="255.255.255.255", flags="MF")/dhcp("discover", me)`,
  'a first fragment of 8 bytes': `b/IP(src=mine, dst="255.255.255.255", flags="MF", proto=17)/Raw(bytes(ports)[:4] + b"\\x01\\x34\\x00\\x00")`,
  'a message cut short within the hardware address': `b/any/UDP(sport=68, dport=67)/Raw(bytes(BOOTP(chaddr=mac2str(me)))[:32])`,
  'a message without content': `b/any/UDP(sport=68, dport=67)`,
  'a DECLINE without checksum': `b/any/UDP(sport=68, dport=67, chksum=0)/message("decline", other)`,
  'a DECLINE with a wrong checksum': `b/any/UDP(sport=68, dport=67, chksum=0x1234)/message("decline", other)`,
  'a DECLINE with a VLAN tag': `b/Dot1Q(vlan=5)/any/dhcp("decline", other)`,
  'a DECLINE with a priority tag': `b/Dot1Q(vlan=0, prio=3)/any/dhcp("decline", other)`,
  'a DECLINE with two tags': `b/Dot1AD(vlan=5)/Dot1Q(vlan=6)/any/dhcp("decline", other)`,
  'a DECLINE to the neighbour': `u/IP(src=mine, dst=victim)/dhcp("decline", other)`,
  'its own message from another port': `b/any/UDP(sport=1068, dport=67)/message("discover", me)`,
  'its own message as a relay': `b/IP(src=mine, dst="255.255.255.255")/UDP(sport=67, dport=67)/message("discover", me)`,
  'an OFFER from port 67': `u/IP(src=mine, dst=victim)/UDP(sport=67, dport=68)/message("offer", other, op=2)`,
  'an OFFER from port 6767': `b/IP(src=mine, dst="255.255.255.255")/UDP(sport=6767, dport=68)/message("offer", other, op=2)`,
  'an OFFER from port 68': `u/IP(src=mine, dst=victim)/UDP(sport=68, dport=68)/message("offer", other, op=2)`,
  'an OFFER behind IP options': `u/IP(src=mine, dst=victim, options=IPOption_NOP()*8)/UDP(sport=6767, dport=68)/message("offer", other, op=2)`,
  'the first fragment of an OFFER': `u/IP(src=mine, dst=victim, flags="MF")/UDP(sport=6767, dport=68)/message("offer", other, op=2)`,
  'an OFFER in a packet that says to be longer': `u/IP(src=mine, dst=victim, len=1400)/UDP(sport=6767, dport=68)/message("offer", other, op=2)`,
  'an OFFER behind a header that says to be shorter': `u/IP(src=mine, dst="0.67.0.68", ihl=4)/Raw(bytes(UDP(sport=6767, dport=68)/message("offer", other, op=2))[4:])`,
  'an OFFER in IP version 5': `u/IP(src=mine, dst=victim, version=5)/UDP(sport=6767, dport=68)/message("offer", other, op=2)`,
  'UDP from no address': `u/IP(src="0.0.0.0", dst=victim)/UDP(sport=68, dport=9999)/Raw(b"x"*20)`,
  'TCP from no address': `u/IP(src="0.0.0.0", dst=victim)/TCP(sport=68, dport=67)`,
  'ICMP from no address': `u/IP(src="0.0.0.0", dst=victim)/ICMP()`,
  'IGMP from no address': `Ether(src=me, dst="01:00:5e:00:00:16")/IP(src="0.0.0.0", dst="224.0.0.22", proto=2, ttl=1)/Raw(bytes.fromhex("2200f9fb000000010400000000e00000fb"))`,
  'a later fragment from no address': `b/IP(src="0.0.0.0", dst="255.255.255.255", frag=4, proto=17)/Raw(b"x"*64)`,
} as const;

const PREPARATION = `
b = Ether(src=me, dst="ff:ff:ff:ff:ff:ff")
u = Ether(src=me, dst=other)
any = IP(src="0.0.0.0", dst="255.255.255.255")
ports = UDP(sport=68, dport=67)
def message(kind, mac, **more):
    options = [("message-type", kind), ("server_id", gateway), ("requested_addr", victim), "end"]
    return BOOTP(**{"op": 1, "xid": 0x1234, "chaddr": mac2str(mac), **more})/DHCP(options=options)
def dhcp(kind, mac, **more):
    return ports/message(kind, mac, **more)
s = conf.L2socket(iface="eth0")
for number, make in enumerate(frames):
    frame = make()
    frame[IP].id = 0x7a00 + number
    s.send(frame)
`;

describe.skipIf(!privileged)('forged DHCP messages', () => {
  let stage: Walkthrough;
  let network: Network;
  let neighbour: Instance;
  let inside: TestNamespace;

  beforeAll(async () => {
    // iptables would check and reassemble bridged frames. Only the rules of vethwork should see them here.
    stage = await Walkthrough.open({ options: { disableBridgeNetfilter: true } });
    network = await stage.network({ vni: VNI });
    inside = stage.inside(network);
    neighbour = await stage.client(network, 'neighbour', { address: '172.16.0.2' });
  });
  afterAll(async () => {
    await stage?.[Symbol.asyncDispose]();
  });

  const valuesOf = async ({ nic }: Instance) => ({
    ...{ me: nic.info.mac, mine: nic.info.address, gateway: GATEWAY },
    ...{ other: neighbour.nic.info.mac, victim: neighbour.nic.info.address },
    router: JSON.parse(await inside.ip('-j', 'link', 'show', INNER))[0].address as string,
  });

  /** Which of the frames that an instance sends come to its neighbour or to the router, by their numbers. */
  async function heard(speaker: Instance, frames: readonly string[]): Promise<number[]> {
    const values = await valuesOf(speaker);
    const places = [[neighbour.namespace, 'eth0'] as const, [inside, INNER] as const];
    const ears = await Promise.all(
      places.map(([where, device]) =>
        Ear.open(where, device, '-xx', '-Q', 'in', `ether src ${values.me} and not (icmp and src host ${values.mine})`),
      ),
    );
    const list = frames.map((frame) => `lambda: ${frame}`).join(',\n');
    await scapy(speaker.namespace, values, `frames = [\n${list}\n]\n${PREPARATION}`);
    // These packets arrive after the frames.
    await pings(speaker.namespace, neighbour.nic.info.address);
    await pings(speaker.namespace, GATEWAY);
    const lines = (await Promise.all(ears.map((ear) => ear.close()))).flat();
    return [
      ...new Set(
        lines
          .join('\n')
          .split(/^(?!\t)/m)
          .flatMap(numberOf),
      ),
    ].sort((one, other) => one - other);
  }

  /** The number is the identification in the IPv4 header, behind tags. */
  function numberOf(dump: string): number[] {
    const words = [...dump.matchAll(/^\t0x[0-9a-f]+: +(.*)$/gm)].flatMap(
      ([, line = '']) => line.match(/[0-9a-f]{4}/g) ?? [],
    );
    let type = 6;
    while (words[type] === '8100' || words[type] === '88a8') type += 2;
    const id = words[type] === '0800' ? words[type + 3] : undefined;
    return id === undefined ? [] : [Number.parseInt(id, 16) - 0x7a00];
  }

  const whats = (numbers: readonly number[], frames: object) => numbers.map((number) => Object.keys(frames)[number]);

  test('a guarded port passes only complete messages about its own MAC, from its own address or of a DHCP client', async () => {
    const liar = await stage.client(network, 'liar', { address: '172.16.0.3' });
    expect(liar.lease?.ip).toBe('172.16.0.3');
    const all = { ...HONEST, ...LIES };
    expect(whats(await heard(liar, Object.values(all)), all)).toEqual(Object.keys(HONEST));
    const again = await askForLease(neighbour.namespace, 'eth0');
    expect(again?.ip).toBe(neighbour.nic.info.address);
    await liar.nic.detach();
  });

  test('a port without anti-spoofing passes all of them', async () => {
    const trusted = await stage.client(network, 'trusted', {
      address: '172.16.0.4',
      antiSpoofing: false,
    } as Partial<AttachOptions>);
    const all = { ...HONEST, ...LIES };
    expect(whats(await heard(trusted, Object.values(all)), all)).toEqual(Object.keys(all));
    await trusted.nic.detach();
  });

  /** Sends ARP about other addresses, and about its own; resolves to what a neighbour hears of it. */
  async function heardOfArp({ namespace, nic }: Instance): Promise<string[]> {
    const values = { me: nic.info.mac, own: nic.info.address, victim: neighbour.nic.info.address };
    await using ear = await Ear.open(neighbour.namespace, 'eth0', '-Q', 'in', 'arp and ether src', nic.info.mac);
    await scapy(
      namespace,
      values,
      `
b = Ether(src=me, dst="ff:ff:ff:ff:ff:ff")
for arp in [
    # An answer that says nothing, a probe from another MAC, probes for another address and for the neighbour's.
    ARP(op=2, hwsrc=me, psrc="0.0.0.0", pdst="172.16.0.77"),
    ARP(op=1, hwsrc="02:de:ad:be:ef:00", psrc="0.0.0.0", pdst="172.16.0.78"),
    ARP(op=1, hwsrc="02:de:ad:be:ef:00", psrc="0.0.0.0", pdst=own),
    ARP(op=1, hwsrc=me, psrc="0.0.0.0", pdst="172.16.0.79"),
    ARP(op=1, hwsrc=me, psrc="0.0.0.0", pdst=victim),
    # Answers to probes and questions of the neighbour, and announcements, about its address.
    ARP(op=2, hwsrc=me, psrc=victim, hwdst="00:00:00:00:00:00", pdst="0.0.0.0"),
    ARP(op=2, hwsrc=me, psrc=victim, pdst=victim),
    ARP(op=1, hwsrc=me, psrc=victim, pdst=victim),
    ARP(op=2, hwsrc="02:de:ad:be:ef:00", psrc=own, pdst=victim),
    # Its own.
    ARP(op=1, hwsrc=me, psrc="0.0.0.0", pdst=own),
    ARP(op=1, hwsrc=me, psrc=own, pdst=victim),
]: sendp(b/arp, iface="eth0", verbose=0)
`,
    );
    await ear.until(/who-has 172\.16\.0\.2 tell 172\.16\.0\.[58]/);
    return (await ear.close()).map((line) => line.replace(/^.*?(Request|Reply) |, length.*$/g, ''));
  }

  test('of ARP, only probes for its own addresses and what it says about them leave the port', async () => {
    const prober = await stage.container(network, 'prober', { address: '172.16.0.5' });
    const own = ['who-has 172.16.0.5 tell 0.0.0.0', 'who-has 172.16.0.2 tell 172.16.0.5'];
    // Probes name the target's MAC, if any.
    const texts = (await heardOfArp(prober)).map((text) => text.replace(/ \([^)]*\)/g, ''));
    expect(texts).toEqual(own);
    // busybox probes as DHCP clients do: it fails if somebody has the address. The gateway answers nobody here.
    const arping = ['busybox', 'arping', '-D', '-c', '1', '-w', '1', '-I', 'eth0', '172.16.0.5'] as const;
    expect((await prober.namespace.attempt(...arping)).exitCode).toBe(0);
    await prober.nic.detach();
  });

  test('all of that ARP leaves a port that is trusted', async () => {
    const options = { address: '172.16.0.8', antiSpoofing: false } as Partial<AttachOptions>;
    const trusted = await stage.container(network, 'arptrusted', options);
    const texts = await heardOfArp(trusted);
    expect(texts).toHaveLength(11);
    expect(texts.filter((text) => text.startsWith('172.16.0.2 is-at'))).toHaveLength(2);
    await trusted.nic.detach();
  });

  test('a probe for a routed address leaves a port', async () => {
    const address = await network.routeAddress();
    const { namespace, nic } = await stage.container(network, 'routedprober', { address: '172.16.0.9' });
    await using ear = await Ear.open(neighbour.namespace, 'eth0', '-Q', 'in', 'arp and ether src', nic.info.mac);
    await scapy(
      namespace,
      { me: nic.info.mac, address },
      `sendp(Ether(src=me, dst="ff:ff:ff:ff:ff:ff")/ARP(op=1, hwsrc=me, psrc="0.0.0.0", pdst=address), iface="eth0", verbose=0)`,
    );
    await ear.until(new RegExp(`who-has ${address} `));
    await nic.detach();
    await network.unrouteAddress(address);
  });

  test('a neighbour gets its lease while an instance floods', async () => {
    const flooder = await stage.client(network, 'flooder', { address: '172.16.0.6' });
    const values = await valuesOf(flooder);
    const filter = ['-Q', 'in', 'udp dst port 67 and ether src', values.me];
    await using ear = await Ear.open(inside, INNER, ...filter);
    const flood = scapy(
      flooder.namespace,
      values,
      `
frame = bytes(Ether(src=me, dst="ff:ff:ff:ff:ff:ff")/IP(src="0.0.0.0", dst="255.255.255.255")/UDP(sport=68, dport=67)
    /BOOTP(xid=7, chaddr=mac2str(me))/DHCP(options=[("message-type", "discover"), "end"]))
s = conf.L2socket(iface="eth0")
begin = time.monotonic()
count = 0
while count < 3000 or time.monotonic() - begin < 3:
    s.send(frame)
    count += 1
print(count, time.monotonic() - begin)
`,
    );
    const lease = await askForLease(neighbour.namespace, 'eth0');
    const [count, seconds] = (await flood).split(' ').map(Number) as [number, number];
    expect(lease?.ip).toBe(neighbour.nic.info.address);
    expect(count).toBeGreaterThanOrEqual(3000);
    const passed = (await ear.close()).length;
    expect(passed).toBeGreaterThan(0);
    expect(passed).toBeLessThanOrEqual(20 + Math.ceil(seconds) + 1);
    await flooder.nic.detach();
  });

  test('an address that its instance has declined is reported, and assigned again', async () => {
    const { namespace, nic } = await stage.client(network, 'decliner', { address: '172.16.0.7' });
    const { mac, address } = nic.info;
    const abort = new AbortController();
    const told = (async () => {
      for await (const event of stage.host.events({ subject: address, signal: abort.signal })) {
        if (event.event === 'dnsmasq.declined') return event;
      }
      return undefined;
    })();
    const decline = (options: string) =>
      scapy(
        namespace,
        { me: mac, mine: address, gateway: GATEWAY },
        `
options = [${options}, "end"]
sendp(Ether(src=me, dst="ff:ff:ff:ff:ff:ff")/IP(src="0.0.0.0", dst="255.255.255.255")/UDP(sport=68, dport=67)
    /BOOTP(xid=9, chaddr=mac2str(me))/DHCP(options=options), iface="eth0", verbose=0)
`,
      );
    try {
      // The message type can be after other options.
      await decline('("requested_addr", mine), ("server_id", gateway), ("message-type", "decline")');
      expect(await told).toMatchObject({ network: network.uuid, address, cause: 'supervision' });
      expect((await eventually(() => askForLease(namespace, 'eth0')))?.ip).toBe(address);
    } finally {
      abort.abort();
    }
    // A decline while no process has the host open is handled later.
    await stage.host.close();
    const before = await declines();
    await decline('("message-type", "decline"), ("server_id", gateway), ("requested_addr", mine)');
    await eventually(async () => (await declines()) > before);
    expect(await askForLease(namespace, 'eth0', { quick: true })).toBeUndefined();
    await stage.reopen();
    network = await stage.host.getNetwork(network.uuid);
    expect((await eventually(() => askForLease(namespace, 'eth0')))?.ip).toBe(address);
    await eventually(
      async () => (await eventsAbout(address)).filter((event) => event === 'dnsmasq.declined').length === 2,
    );
  });

  /** A datagram of two messages (UDP_SEGMENT), which stays one packet until a link without segmentation offload. */
  test.each([true, false])('a guarded port drops a second message in the same packet: %s', async (antiSpoofing) => {
    const address = antiSpoofing ? '172.16.0.8' : '172.16.0.9';
    const { namespace, nic } = await stage.client(network, `packer${antiSpoofing}`, {
      address,
      antiSpoofing,
    } as Partial<AttachOptions>);
    const said = async () => (await readLog()).split(`DHCPDECLINE(${INNER}) ${neighbour.nic.info.address} `).length - 1;
    const before = await said();
    await python(
      namespace,
      `
import socket
def message(mac, kind, size):
    head = bytes([1, 1, 6, 0]) + bytes(24) + bytes.fromhex(mac.replace(":", "")) + bytes(10 + 64 + 128)
    options = bytes([99, 130, 83, 99, 53, 1, kind, 54, 4, 172, 16, 0, 1, 50, 4]) + socket.inet_aton("172.16.0.2") + b"\\xff"
    return (head + options).ljust(size, b"\\0")
for size in 256, 270, 300:
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("${address}", 68))
    s.setsockopt(socket.IPPROTO_UDP, 103, size)
    s.sendto(message("${nic.info.mac}", 8, size) + message("${neighbour.nic.info.mac}", 4, size), ("${GATEWAY}", 67))
    s.close()
`,
    );
    await pings(namespace, GATEWAY);
    if (antiSpoofing) {
      // A later message is received.
      await scapy(
        namespace,
        { me: nic.info.mac, mine: address },
        `
sendp(Ether(src=me, dst="ff:ff:ff:ff:ff:ff")/IP(src="0.0.0.0", dst="255.255.255.255")/UDP(sport=68, dport=67)
    /BOOTP(xid=9, chaddr=mac2str(me))/DHCP(options=[("message-type", "decline"), ("server_id", "${GATEWAY}"), ("requested_addr", mine), "end"]), iface="eth0", verbose=0)
`,
      );
      await eventually(async () => (await readLog()).includes(`DHCPDECLINE(${INNER}) ${address} `));
      expect(await said()).toBe(before);
    } else {
      await eventually(async () => (await said()) === before + 3);
    }
    expect((await eventually(() => askForLease(neighbour.namespace, 'eth0')))?.ip).toBe(neighbour.nic.info.address);
    await nic.detach();
  });

  async function eventsAbout(address: string): Promise<string[]> {
    const seen: string[] = [];
    for await (const { event } of stage.host.events({ history: true, follow: false, subject: address })) {
      seen.push(event);
    }
    return seen;
  }

  /** How often dnsmasq says that it has withdrawn an address. */
  async function declines(): Promise<number> {
    return (await readLog()).split('disabling DHCP static address').length - 1;
  }

  async function readLog(): Promise<string> {
    const { log } = runtimePaths(await runtimeRoot(stage.options.stateDir as string), network.uuid);
    return readFile(log, 'latin1');
  }
});
