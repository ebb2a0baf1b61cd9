import type { Host } from '../../../api/types.js';
import { Coprocess, DONE } from '../../coprocess.js';
import type { Fact, Setting } from '../../scenario.js';
import type { Slot } from '../../stage.js';
import { VerificationError } from '../../verify.js';
import { distribution, inNetwork } from './common.js';

const ROUNDS = { full: 100, quick: 3 };

/**
 * An instance and its neighbour. `<tap> <MAC> <address>` opens the tap, and fails if a packet passes. `go` sends an ARP
 * request every 0.1 ms, until a socket in the namespace of the neighbour receives one, and prints the time then, in
 * nanoseconds (CLOCK_MONOTONIC).
 */
const PROGRAM = `
import ctypes, fcntl, os, socket, struct, sys, time
libc = ctypes.CDLL(None, use_errno=True)
own = os.open('/proc/self/ns/net', os.O_RDONLY)
there = os.open('/run/netns/' + sys.argv[1], os.O_RDONLY)
if libc.setns(there, 0x40000000): raise OSError(ctypes.get_errno(), 'setns')
neighbour = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0806))
neighbour.bind(('eth0', 0x0806))
if libc.setns(own, 0x40000000): raise OSError(ctypes.get_errno(), 'setns')
neighbour.setblocking(False)
gateway = socket.inet_aton(sys.argv[2])
def received(mac):
    while True:
        try: frame = neighbour.recv(2000)
        except BlockingIOError: return False
        if frame[6:12] == mac: return True
for line in sys.stdin:
    if line.strip() == 'go':
        end = time.monotonic() + 5
        while not received(mac) and time.monotonic() < end:
            os.write(tap, frame)
            time.sleep(0.0001)
        print(time.monotonic_ns(), flush=True)
        os.close(tap)
        print('${DONE} 0', flush=True)
        continue
    name, mac, address = line.split()
    mac = bytes.fromhex(mac.replace(':', ''))
    sender = mac + socket.inet_aton(address)
    frame = b'\\xff' * 6 + mac + b'\\x08\\x06' + struct.pack('!HHBBH', 1, 0x800, 6, 4, 1) + sender + b'\\0' * 6 + gateway
    tap = os.open('/dev/net/tun', os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tap, 0x400454ca, struct.pack('16sH', name.encode(), 0x1002))
    end = time.monotonic() + 0.05
    early = False
    while time.monotonic() < end:
        os.write(tap, frame)
        early = early or received(mac)
        time.sleep(0.001)
    print('${DONE} 0' if not early else '${DONE} 1', flush=True)
`;

/**
 * Time from the moment when a claim resolves to the first packet that a neighbour receives. The tap is open before. 0 if the
 * packet arrives before the claim resolves.
 */
export async function firstPacketFacts({ stage, quick, progress, signal }: Setting, host: Host): Promise<Fact[]> {
  const [{ netns }] = (await stage.slots(1)) as [Slot];
  progress('slots: first packet');
  return inNetwork(host, async (network) => {
    const neighbour = await network.attach({ netns, configure: true });
    const pool = await network.prepare({ kind: 'tap', min: 1, max: 1 });
    const program = new Coprocess('python3', ['-c', PROGRAM, netns, '172.24.0.1']);
    const delays: number[] = [];
    const whole: number[] = [];
    try {
      for (let round = 0; round < (quick ? ROUNDS.quick : ROUNDS.full); round++) {
        signal.throwIfAborted();
        const free = (await network.listInterfaces()).find(({ state }) => state === 'free');
        if (free === undefined) throw new VerificationError('the pool has no free slot');
        // Control: nothing passes before the claim.
        await program.ask(`${free.device} ${free.mac} ${free.address}`);
        const sent = program.read('go');
        const began = process.hrtime.bigint();
        const nic = await network.attach({ slot: pool });
        const resolved = process.hrtime.bigint();
        const seen = BigInt((await sent).trim());
        if (nic.info.device !== free.device) throw new VerificationError('another slot was claimed');
        delays.push(Math.max(0, Number(seen - resolved) / 1e6));
        whole.push(Number(seen - began) / 1e6);
        await nic.detach();
        await pool.resize({});
      }
    } finally {
      await program.close();
      await neighbour.detach();
    }
    return [
      ...distribution('first packet after a claim has resolved', delays),
      ...distribution('first packet after a claim has begun', whole),
    ];
  });
}
