import { run } from '../../demo/tools.js';
import type { Contender, Peer } from '../contender.js';
import { Shell, withInput } from '../coprocess.js';
import type { Lan } from '../lan.js';
import { LAN, LAN_CIDR, type Slot } from '../stage.js';
import { findProgram } from './requirements.js';

const FOLDERS = ['/usr/lib/podman', '/usr/libexec/podman', '/usr/local/lib/podman'];
const CONCURRENCY = 4;

/** Podman's network stack, called as Podman calls it. */
export const netavark: Peer = {
  name: 'netavark',
  title: 'netavark',
  description:
    'setup and teardown of a bridge network, one call per container; as an internal network, without firewall rules and default route',
  inProcess: false,
  longRunning: false,
  maxInterfaces: 64,
  missing: async () =>
    (await findProgram('netavark', FOLDERS)) === undefined ? 'missing: netavark (apt-get install netavark)' : undefined,
  version: async () => (await run([(await findProgram('netavark', FOLDERS)) ?? 'netavark', '--version'])).trim(),
  open: async () => new Netavark((await findProgram('netavark', FOLDERS)) ?? 'netavark'),
};

class Netavark implements Contender {
  /** netavark adds a default route only together with firewall rules, which would take ten times as long. */
  readonly lan: Lan = { ...LAN, without: ['default route'] };
  readonly #shell = new Shell();

  constructor(private readonly program: string) {}

  cpu(): number {
    return this.#shell.cpu();
  }

  attach(slots: readonly Slot[]) {
    return this.#call('setup', slots);
  }

  detach(slots: readonly Slot[]) {
    return this.#call('teardown', slots);
  }

  close() {
    return this.#shell.close();
  }

  #call(command: 'setup' | 'teardown', slots: readonly Slot[]): Promise<number | undefined> {
    return this.#shell.runConcurrently(
      slots.map((slot) => [
        withInput(`${this.program} ${command} /run/netns/${slot.netns} >&2`, [JSON.stringify(options(slot))]),
      ]),
      CONCURRENCY,
    );
  }
}

/** The options that Podman passes for one container. */
function options({ netns, address }: Slot): object {
  return {
    container_id: netns.padStart(64, '0'),
    container_name: netns,
    networks: { bench: { static_ips: [address], interface_name: 'eth0' } },
    network_info: {
      bench: {
        name: 'bench',
        id: '0'.repeat(64),
        driver: 'bridge',
        network_interface: LAN.bridge,
        created: '2024-01-01T00:00:00Z',
        subnets: [{ subnet: LAN_CIDR, gateway: LAN.gateway }],
        ipv6_enabled: false,
        internal: true,
        dns_enabled: false,
        ipam_options: { driver: 'host-local' },
      },
    },
  };
}
