import { start } from '../../src/demo/tools.js';
import { TestNamespace } from './namespaces.js';
import { PYTHON } from './scapy.js';

/** Python program that copies frames between taps of two namespaces, as a virtual machine monitor does. */
const MONITOR = `
import ctypes, fcntl, os, select, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
def tap(netns, name):
    there = os.open('/run/netns/' + netns, os.O_RDONLY)
    if libc.setns(there, 0x40000000) != 0: raise OSError(ctypes.get_errno(), 'setns')
    fd = os.open('/dev/net/tun', os.O_RDWR)
    fcntl.ioctl(fd, 0x400454ca, struct.pack('16sH', name.encode(), 0x1002))
    return fd
ends = [tap(*sys.argv[1:3]), tap(*sys.argv[3:5])]
print('running', flush=True)
while True:
    for fd in select.select(ends, [], [])[0]:
        frame = os.read(fd, 65535)
        try: os.write(ends[1 - ends.index(fd)], frame)
        except OSError: pass # The other end is down.
`;

/** Configuration of a guest, which all guests of a snapshot share. */
export interface GuestConfiguration {
  mac: string;
  /** With the length of its prefix. */
  address: string;
  gateway: string;
}

/** A virtual machine with one NIC, in a namespace of its own. */
export class TestGuest implements AsyncDisposable {
  private constructor(
    readonly namespace: TestNamespace,
    readonly stop: () => Promise<unknown>,
  ) {}

  /** Starts a guest on a tap that exists. */
  static async start(at: { netns: string; tap: string }, wanted: GuestConfiguration): Promise<TestGuest> {
    const namespace = await TestNamespace.create('guest');
    await namespace.ip('tuntap', 'add', 'eth0', 'mode', 'tap');
    const monitor = start([PYTHON, '-uc', MONITOR, at.netns, at.tap, namespace.name, 'eth0']);
    const guest = new TestGuest(namespace, async () => {
      await monitor.stop();
      await namespace.remove();
    });
    try {
      await monitor.until(/running/);
      await namespace.ip('link', 'set', 'eth0', 'address', wanted.mac, 'up');
      await namespace.ip('address', 'add', wanted.address, 'dev', 'eth0');
      await namespace.ip('route', 'add', 'default', 'via', wanted.gateway, 'dev', 'eth0', 'onlink');
      return guest;
    } catch (error) {
      await guest.stop();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}
