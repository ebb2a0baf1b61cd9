import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { json } from '../../demo/tools.js';
import type { Contender, FloatSpec, NetworkSpec, Peer } from '../contender.js';
import { Coprocess, Shell } from '../coprocess.js';
import { timed } from '../measure.js';
import { EGRESS_BRIDGE, FLOATING_GATEWAY, LAN, type Slot, type Stage, uplink } from '../stage.js';
import { dnsmasqConfig, stopDnsmasq } from './dnsmasq.js';
import { floatNames, linkNames } from './names.js';

const folder = fileURLToPath(new URL('../../../build/native/', import.meta.url));
const programs = { attach: join(folder, 'bench_attach'), network: join(folder, 'bench_network') };

/** Lower bound: C++ programs that send hand-written netlink messages. Only a checkout has them. */
export const floor: Peer = {
  name: 'floor',
  title: 'raw netlink floor (C++)',
  description:
    'hand-written netlink in the fewest messages, no checks, no roll-back, no threads; measures its own time',
  inProcess: false,
  longRunning: true,
  maxInterfaces: 1000,
  missing: async () =>
    Object.values(programs).every((program) => existsSync(program))
      ? undefined
      : 'missing: the floor programs, which only a checkout has (npm run build:bench)',
  open: async (stage) => {
    const links = await json<{ ifname: string; ifindex: number }[]>(['ip', '-j', 'link']);
    return new Floor(stage, new Map(links.map(({ ifname, ifindex }) => [ifname, ifindex])));
  },
};

class Floor implements Contender {
  readonly lan = LAN;
  readonly #links = new Coprocess(programs.attach, []);
  readonly #networks = new Coprocess(programs.network, []);
  readonly #shell = new Shell();

  constructor(
    private readonly stage: Stage,
    private readonly indexes: ReadonlyMap<string, number>,
  ) {}

  cpu(): number {
    return this.#links.cpu() + this.#networks.cpu() + this.#shell.cpu();
  }

  attach(slots: readonly Slot[]) {
    const each = slots.map(({ netns, device, address }) => `${netns} ${device} ${address}`);
    return this.#links.ask(['attach', this.#index(LAN.bridge), LAN.gateway, LAN.prefix, ...each].join(' '));
  }

  attachTaps(slots: readonly Slot[]) {
    return this.#links.ask(['taps', this.#index(LAN.bridge), ...slots.map(({ device }) => device)].join(' '));
  }

  detach(slots: readonly Slot[]) {
    return this.#links.ask(['detach', ...slots.map(({ netns, device }) => `${netns} ${device}`)].join(' '));
  }

  async drain() {
    const [links, networks] = [await this.#links.ask('drain'), await this.#networks.ask('drain')];
    return (links ?? 0) + (networks ?? 0);
  }

  /** With DHCP: the longer of the kernel's work and the start of dnsmasq, because the two could overlap. */
  async createNetwork(spec: NetworkSpec) {
    const kernel = (await this.#create(spec)) ?? 0;
    if (!spec.dhcp) return kernel;
    const config = await this.#config(spec);
    const start = [`nsenter --net=/run/netns/${spec.uuid} dnsmasq --conf-file=${config}`];
    return Math.max(kernel, await timed(() => this.#shell.run(start)));
  }

  #create(spec: NetworkSpec) {
    const [network, bits] = spec.netblock.split('/');
    const [egress, egressBits] = spec.egressCidr.split('/');
    const id = linkNames(spec).vxlan.slice('vxlan-'.length);
    return this.#networks.ask(
      [
        ...['create', spec.uuid, spec.vni, this.#index(uplink.nic), this.#index(EGRESS_BRIDGE), network, bits],
        ...[spec.gateway, egress, egressBits, FLOATING_GATEWAY, id],
      ].join(' '),
    );
  }

  deleteNetwork(spec: NetworkSpec) {
    return this.deleteNetworks([spec]);
  }

  /** With DHCP: the longer of the kernel's work and the end of dnsmasq. */
  async deleteNetworks(specs: readonly NetworkSpec[]) {
    const stops: string[] = [];
    for (const spec of specs.filter(({ dhcp }) => dhcp)) stops.push(stopDnsmasq(await this.#config(spec)));
    const stopped = stops.length === 0 ? 0 : await timed(() => this.#shell.run(stops));
    const kernel = await this.#networks.ask(['delete', ...specs.map(({ uuid }) => uuid)].join(' '));
    return Math.max(kernel ?? 0, stopped);
  }

  async #config(spec: NetworkSpec): Promise<string> {
    return dnsmasqConfig(await this.stage.contenderFolder('floor'), spec);
  }

  async prepareFloats({ uuid }: NetworkSpec) {
    await this.#networks.ask(`prepare ${uuid}`);
  }

  float({ uuid }: NetworkSpec, floats: readonly FloatSpec[]) {
    return this.#sum(floats, (each) => {
      const { outer, inner } = floatNames(each);
      return `float ${uuid} ${this.#index(EGRESS_BRIDGE)} ${outer} ${inner} ${each.address} ${each.target}`;
    });
  }

  defloat({ uuid }: NetworkSpec, floats: readonly FloatSpec[]) {
    return this.#sum(floats, (each) => `defloat ${uuid} ${floatNames(each).outer} ${each.address}`);
  }

  async close() {
    await this.#links.close();
    await this.#networks.close();
    await this.#shell.close();
  }

  /** Sends a request for each address. Resolves to the total time. */
  async #sum(floats: readonly FloatSpec[], request: (each: FloatSpec) => string): Promise<number> {
    let total = 0;
    for (const each of floats) total += (await this.#networks.ask(request(each))) ?? 0;
    return total;
  }

  #index(name: string): number {
    const index = this.indexes.get(name);
    if (index === undefined) throw new Error(`no link ${name}`);
    return index;
  }
}
