import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { json } from '../../demo/tools.js';
import type { Contender, NetworkSpec, Peer } from '../contender.js';
import { Coprocess } from '../coprocess.js';
import { EGRESS_BRIDGE, FLOATING_GATEWAY, LAN, type Slot, uplink } from '../stage.js';
import { linkNames } from './names.js';

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
  open: async () => {
    const links = await json<{ ifname: string; ifindex: number }[]>(['ip', '-j', 'link']);
    return new Floor(new Map(links.map(({ ifname, ifindex }) => [ifname, ifindex])));
  },
};

class Floor implements Contender {
  readonly lan = LAN;
  readonly #links = new Coprocess(programs.attach, []);
  readonly #networks = new Coprocess(programs.network, []);

  constructor(private readonly indexes: ReadonlyMap<string, number>) {}

  cpu(): number {
    return this.#links.cpu() + this.#networks.cpu();
  }

  attach(slots: readonly Slot[]) {
    const each = slots.map(({ netns, device, address }) => `${netns} ${device} ${address}`);
    return this.#links.ask(['attach', this.#index(LAN.bridge), LAN.gateway, LAN.prefix, ...each].join(' '));
  }

  detach(slots: readonly Slot[]) {
    return this.#links.ask(['detach', ...slots.map(({ netns, device }) => `${netns} ${device}`)].join(' '));
  }

  drain() {
    return this.#links.ask('drain');
  }

  createNetwork(spec: NetworkSpec) {
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
    return this.#networks.ask(`delete ${spec.uuid}`);
  }

  async close() {
    await this.#links.close();
    await this.#networks.close();
  }

  #index(name: string): number {
    const index = this.indexes.get(name);
    if (index === undefined) throw new Error(`no link ${name}`);
    return index;
  }
}
