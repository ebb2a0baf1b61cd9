import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { attempt, inside, run } from './tools.js';

/** Event script of udhcpc: applies the lease as an operating system does, and writes it to the file $LEASE. */
const leaseScript = `#!/bin/sh
case "$1" in
  deconfig)
    ip address flush dev "$interface"
    ip link set "$interface" up
    ;;
  bound | renew)
    [ -n "$mtu" ] && ip link set "$interface" mtu "$mtu"
    ip address replace "$ip/$mask" broadcast "\${broadcast:-+}" dev "$interface"
    for gateway in $router; do
      ip route replace default via "$gateway" dev "$interface"
    done
    env > "$LEASE"
    ;;
esac
`;

/** Parameters of the DHCP lease, by udhcpc's names: ip, mask, router, mtu, hostname, … */
export type Lease = Readonly<Record<string, string>>;

/**
 * Represents a virtual machine: a namespace with `eth0`. The peer of `eth0` is the device that a hypervisor would create on
 * the host (`vnet0`).
 */
export class Instance {
  private constructor(
    readonly name: string,
    readonly netns: string,
    readonly mac: string,
    private readonly host: string,
    private readonly device: string,
    private readonly folder: string,
  ) {}

  /** Like libvirt, uses the MAC address of the instance with first byte `fe` for the host end of the veth pair. */
  static async create(
    options: { name: string; netns: string; mac: string; host: string; device: string; folder: string },
    signal: AbortSignal,
  ): Promise<Instance> {
    const { name, netns, mac, host, device, folder } = options;
    const outer = mac.replace(/^02/, 'fe');
    const peer = ['address', outer, 'type', 'veth', 'peer', 'name', 'eth0', 'address', mac, 'netns', netns];
    await run(['ip', 'netns', 'add', netns], signal);
    await run(['ip', '-n', netns, 'link', 'set', 'lo', 'up'], signal);
    await run(['ip', '-n', host, 'link', 'add', device, ...peer], signal);
    await run(['ip', '-n', host, 'link', 'set', device, 'up'], signal);
    await run(['ip', '-n', netns, 'link', 'set', 'eth0', 'up'], signal);
    return new Instance(name, netns, mac, host, device, folder);
  }

  /** Command line of the DHCP client. It requests one lease and exits. */
  async dhcpCommand(): Promise<string[]> {
    const script = join(this.folder, 'udhcpc.sh');
    await writeFile(script, leaseScript, { mode: 0o755 });
    const client = ['udhcpc', '-f', '-q', '-n', '-t', '5', '-T', '1', '-i', 'eth0', '-O', 'mtu', '-s', script];
    return ['env', `LEASE=${this.leaseFile}`, 'busybox', ...client];
  }

  /** The lease that the DHCP client got; empty without a lease. */
  async lease(): Promise<Lease> {
    try {
      const text = await readFile(this.leaseFile, 'utf8');
      return Object.fromEntries(
        text
          .split('\n')
          .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)] as const)
          .filter(([key]) => /^[a-z][a-z0-9]*$/.test(key)),
      );
    } catch {
      return {};
    }
  }

  inside(...command: string[]): string[] {
    return inside(this.netns, ...command);
  }

  async remove(): Promise<void> {
    // The veth pair first: the kernel deletes the links of a namespace asynchronously.
    await attempt(['ip', '-n', this.host, 'link', 'delete', this.device]);
    await attempt(['ip', 'netns', 'delete', this.netns]);
    await rm(this.leaseFile, { force: true });
  }

  private get leaseFile(): string {
    return join(this.folder, `${this.name}.lease`);
  }
}
