import { type Background, inside, start } from '../../src/demo/tools.js';
import type { TestNamespace } from './namespaces.js';
import { PYTHON } from './scapy.js';

/** A guest on a tap: answers ARP and ICMP echo requests for its address, and prints the EtherType of each received frame. */
const PROGRAM = `
import fcntl, os, struct, sys
name, mac, address = sys.argv[1], bytes.fromhex(sys.argv[2].replace(':', '')), bytes(map(int, sys.argv[3].split('.')))
fd = os.open('/dev/net/tun', os.O_RDWR)
fcntl.ioctl(fd, 0x400454ca, struct.pack('16sH', name.encode(), 0x1002))
print('open', flush=True)
while True:
    frame = os.read(fd, 65536)
    kind = frame[12:14]
    print('received', kind.hex(), flush=True)
    if kind == b'\\x08\\x06' and frame[20:22] == b'\\x00\\x01' and frame[38:42] == address:
        os.write(fd, frame[6:12] + mac + frame[12:20] + b'\\x00\\x02' + mac + address + frame[22:32])
    elif kind == b'\\x08\\x00' and frame[30:34] == address and frame[23] == 1 and frame[34] == 8:
        data = bytearray(frame[34:])
        data[0], data[2], data[3] = 0, 0, 0
        total = sum(struct.unpack('!%dH' % (len(data) // 2), bytes(data[:len(data) // 2 * 2]))) + (data[-1] << 8 if len(data) % 2 else 0)
        while total >> 16: total = (total & 0xffff) + (total >> 16)
        data[2:4] = struct.pack('!H', ~total & 0xffff)
        os.write(fd, frame[6:12] + mac + frame[12:26] + frame[30:34] + frame[26:30] + bytes(data))
`;

/** Starts a guest, and resolves when it has opened the tap. The caller stops it. */
export async function startTapGuest(
  namespace: TestNamespace,
  { device, mac, address }: { device: string; mac: string; address: string },
): Promise<Background> {
  const guest = start(inside(namespace.name, PYTHON, '-c', PROGRAM, device, mac, address));
  await guest.until(/open/);
  return guest;
}
