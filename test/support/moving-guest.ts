import { TestNamespace } from './namespaces.js';
import { Program } from './program.js';
import { PYTHON } from './scapy.js';

/**
 * Connects the tap `eth0` of its namespace with the taps that it is told by lines `<path of a namespace> <tap>`. It sends each
 * frame of the guest to all of them, as if the instance ran on all nodes at the same time.
 */
const PROGRAM = `
import ctypes, fcntl, os, selectors, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
def tap(name):
    fd = os.open('/dev/net/tun', os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(fd, 0x400454ca, struct.pack('16sH', name.encode(), 0x1002))
    return fd
inner, outer = tap('eth0'), []
ready = selectors.DefaultSelector()
ready.register(inner, selectors.EVENT_READ)
ready.register(sys.stdin, selectors.EVENT_READ)
print('open', flush=True)
def send(fd, frame):
    try: os.write(fd, frame)
    except OSError: pass
while True:
    for key, _ in ready.select():
        if key.fileobj is sys.stdin:
            line = sys.stdin.readline()
            if not line: sys.exit()
            path, name = line.split()
            fd = os.open(path, os.O_RDONLY)
            if libc.setns(fd, 0): raise OSError(ctypes.get_errno(), 'setns')
            os.close(fd)
            outer.append(tap(name))
            ready.register(outer[-1], selectors.EVENT_READ)
            print('plugged', name, flush=True)
            continue
        try: frame = os.read(key.fd, 65536)
        except BlockingIOError: continue
        except OSError:
            ready.unregister(key.fd)
            continue
        for fd in outer if key.fd == inner else [inner]: send(fd, frame)
`;

/** An instance that can be moved: a namespace whose `eth0` is connected with taps of several nodes. */
export class MovingGuest implements AsyncDisposable {
  private constructor(
    readonly namespace: TestNamespace,
    private readonly relay: Program,
  ) {}

  /** @param nic with MAC and address; the address gets a prefix of 24 bits, the gateway is the first of them */
  static async create({ mac, address }: { mac: string; address: string }): Promise<MovingGuest> {
    const namespace = await TestNamespace.create('moving');
    const relay = new Program(namespace, PYTHON, '-u', '-c', PROGRAM);
    await relay.next('open');
    await namespace.ip('link', 'set', 'eth0', 'address', mac, 'mtu', '1500', 'up');
    await namespace.ip('address', 'add', `${address}/24`, 'dev', 'eth0');
    await namespace.ip('route', 'add', 'default', 'via', address.replace(/\d+$/, '1'));
    return new MovingGuest(namespace, relay);
  }

  /** Connects it with a tap of a node. */
  async plug(node: TestNamespace, tap: string): Promise<void> {
    this.relay.say(`${node.path} ${tap}`);
    await this.relay.next(`plugged ${tap}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.relay.end();
    await this.namespace.remove();
  }
}
