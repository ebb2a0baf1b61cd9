import { attempt } from '../../demo/tools.js';
import type { Contender, Peer } from '../contender.js';
import { Coprocess, DONE } from '../coprocess.js';
import { LAN, type Slot } from '../stage.js';
import { debianVersion } from './requirements.js';

/** The Python program: one JSON request per line; the response has the duration. */
const PROGRAM = `
import json, sys, time, traceback
from pyroute2 import IPRoute, netns
host = IPRoute()
bridge = host.link_lookup(ifname='${LAN.bridge}')[0]
def attach(slots):
    for slot in slots:
        host.link('add', ifname=slot['device'], kind='veth', master=bridge, state='up', num_tx_queues=1, num_rx_queues=1,
                  peer={'ifname': 'eth0', 'net_ns_fd': slot['netns'], 'num_tx_queues': 1, 'num_rx_queues': 1})
        netns.pushns(slot['netns'])
        try:
            inside = IPRoute()
        finally:
            netns.popns()
        with inside:
            index = inside.link_lookup(ifname='eth0')[0]
            inside.link('set', index=1, state='up')
            inside.link('set', index=index, state='up')
            inside.addr('add', index=index, address=slot['address'], prefixlen=${LAN.prefix})
            inside.route('add', dst='default', gateway='${LAN.gateway}')
def attach_taps(slots):
    for slot in slots:
        host.link('add', ifname=slot['device'], kind='tuntap', mode='tap')
        index = host.link_lookup(ifname=slot['device'])[0]
        host.link('set', index=index, master=bridge, state='up')
def detach(slots):
    for slot in slots:
        host.link('del', index=host.link_lookup(ifname=slot['device'])[0])
for line in sys.stdin:
    request = json.loads(line)
    try:
        started = time.perf_counter()
        globals()[request['do']](request['slots'])
        print('${DONE} 0', (time.perf_counter() - started) * 1000, flush=True)
    except Exception:
        traceback.print_exc()
        print('${DONE} 1', flush=True)
`;

/** The Python library, in a long-running process with an open netlink socket. */
export const pyroute2: Peer = {
  name: 'pyroute2',
  title: 'pyroute2',
  description: 'IPRoute in a long-running Python process; one socket per namespace; measures its own time',
  inProcess: false,
  longRunning: true,
  maxInterfaces: 1000,
  missing: async () =>
    (await findPython()) === undefined ? 'missing: pyroute2 (apt-get install python3-pyroute2)' : undefined,
  version: () => debianVersion('python3-pyroute2'),
  open: async () => new Pyroute2((await findPython()) ?? ''),
};

/** A Python interpreter that has the library. Debian's is tried too if another one is first in PATH. */
async function findPython(): Promise<string | undefined> {
  for (const python of ['python3', '/usr/bin/python3']) {
    const found = await attempt([python, '-c', 'import pyroute2']).catch(() => undefined);
    if (found?.code === 0) return python;
  }
  return undefined;
}

class Pyroute2 implements Contender {
  readonly lan = LAN;
  readonly #process: Coprocess;

  constructor(python: string) {
    this.#process = new Coprocess(python, ['-c', PROGRAM]);
  }

  cpu(): number {
    return this.#process.cpu();
  }

  attach(slots: readonly Slot[]) {
    return this.#do('attach', slots);
  }

  attachTaps(slots: readonly Slot[]) {
    return this.#do('attach_taps', slots);
  }

  detach(slots: readonly Slot[]) {
    return this.#do('detach', slots);
  }

  close() {
    return this.#process.close();
  }

  #do(what: string, slots: readonly Slot[]): Promise<number | undefined> {
    return this.#process.ask(JSON.stringify({ do: what, slots }));
  }
}
