import type { TestNamespace } from './namespaces.js';
import { PYTHON, SCAPY } from './scapy.js';

/** Source of frames: an interface inside a namespace, or a program that has opened a tap. */
export type Origin = { namespace: TestNamespace; nic: string } | { namespace: TestNamespace; tap: string };

/** Python program that sends the frames of scapy expressions, through a raw socket or into the tap. */
const PROGRAM = `
import fcntl, json, os, socket, struct, sys, time
${SCAPY}from scapy.contrib.lldp import *
from scapy.layers.vxlan import VXLAN
kind, name = sys.argv[1], sys.argv[2]
frames = []
for text in json.load(sys.stdin):
    made = eval(text)
    frames += [bytes(frame) for frame in (made if isinstance(made, list) else [made])]
if kind == 'tap':
    fd = os.open('/dev/net/tun', os.O_RDWR)
    fcntl.ioctl(fd, 0x400454ca, struct.pack('16sH', name.encode(), 0x1002))
    # It has a carrier only now that somebody has it open; as a port it forwards a moment later.
    state = '/sys/class/net/%s/brport/state' % name
    while os.path.exists(state) and open(state).read().strip() != '3': time.sleep(0.01)
    send = lambda frame: os.write(fd, frame)
else:
    raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    raw.bind((name, 0))
    send = raw.send
for frame in frames:
    # A minimum frame, as NICs have it.
    send(frame.ljust(60, bytes(1)))
print(len(frames))
`;

/**
 * Sends frames.
 * @param frames Python expressions, each a scapy frame or a list of frames, for example `Ether()/ARP()`
 * @returns number of sent frames
 */
export async function sendFrames(origin: Origin, frames: readonly string[]): Promise<number> {
  const where = 'nic' in origin ? ['nic', origin.nic] : ['tap', origin.tap];
  const child = origin.namespace.spawn(PYTHON, ['-c', PROGRAM, ...where]);
  let output = '';
  let complaint = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    complaint += text;
  });
  child.stdin?.end(JSON.stringify(frames));
  const code = await new Promise((resolve) => child.once('close', resolve));
  if (code !== 0) throw new Error(`the frames could not be sent: ${complaint}`);
  return Number(output);
}

/** Python program that prints sender and payload of each received UDP datagram (IPv4 and IPv6). */
export const UDP_LISTENER = [
  PYTHON,
  '-uc',
  `
import socket, sys
ear = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
ear.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
ear.bind(('::', int(sys.argv[1])))
print('listening')
while True:
    text, sender = ear.recvfrom(2000)
    print(sender[0], text.decode('latin1'))
`,
] as const;
