import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Contender, Peer } from '../contender.js';
import { Shell } from '../coprocess.js';
import type { Lan } from '../lan.js';
import { LAN, LAN_CIDR, type Slot } from '../stage.js';
import { debianVersion, findProgram } from './requirements.js';

const FOLDERS = ['/usr/lib/cni', '/opt/cni/bin'];
const CONCURRENCY = 4;
let opened = 0;

/** Path of the plugin; undefined if it is not installed. */
export const findCni = () => findProgram('bridge', FOLDERS);

/** The bridge plugin of the Container Network Interface, called as a container runtime calls it. */
export const cni: Peer = {
  name: 'cni',
  title: 'CNI bridge plugin',
  description:
    'ADD and DEL of the bridge plugin with host-local address management, one call per container; without the loopback plugin',
  inProcess: false,
  longRunning: false,
  maxInterfaces: 64,
  missing: async () =>
    (await findCni()) === undefined
      ? 'missing: the CNI plugins (apt-get install containernetworking-plugins)'
      : undefined,
  version: () => debianVersion('containernetworking-plugins'),
  open: async (stage) => {
    const program = (await findCni()) ?? 'bridge';
    const folder = await stage.contenderFolder('cni');
    opened++;
    const config = join(folder, `bridge${opened}.json`);
    const network = {
      cniVersion: '1.0.0',
      name: 'bench',
      type: 'bridge',
      bridge: LAN.bridge,
      isGateway: false,
      ipMasq: false,
      ipam: {
        type: 'host-local',
        dataDir: join(folder, 'addresses'),
        ranges: [[{ subnet: LAN_CIDR, rangeStart: '172.20.200.1', gateway: LAN.gateway }]],
        routes: [{ dst: '0.0.0.0/0', gw: LAN.gateway }],
      },
    };
    await writeFile(config, JSON.stringify(network));
    return new Cni(program, config);
  },
};

class Cni implements Contender {
  /** Another plugin configures the loopback interface. */
  readonly lan: Lan = { ...LAN, without: ['loopback'] };
  readonly #shell = new Shell();

  constructor(
    private readonly program: string,
    private readonly config: string,
  ) {}

  cpu(): number {
    return this.#shell.cpu();
  }

  attach(slots: readonly Slot[]) {
    return this.#call('ADD', slots);
  }

  detach(slots: readonly Slot[]) {
    return this.#call('DEL', slots);
  }

  close() {
    return this.#shell.close();
  }

  #call(command: 'ADD' | 'DEL', slots: readonly Slot[]): Promise<number | undefined> {
    const call = ({ netns }: Slot) =>
      `CNI_COMMAND=${command} CNI_CONTAINERID=${netns} CNI_NETNS=/run/netns/${netns} CNI_IFNAME=eth0 ` +
      `CNI_PATH=${this.program.slice(0, this.program.lastIndexOf('/'))} ${this.program} <${this.config} >&2`;
    return this.#shell.runConcurrently(
      slots.map((slot) => [call(slot)]),
      CONCURRENCY,
    );
  }
}
