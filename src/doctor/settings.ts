import { missingWayOut, neededRoute } from '../host/way-out.js';
import { egressBridgeName } from '../plan/names.js';
import type { Check, Finding } from './finding.js';
import { sysctl } from './firewall.js';

const STRICT = '1';
const LOOSE = '2';

/** The kernel uses the larger of both values (Documentation/networking/ip-sysctl.rst). */
export const pathFilter: Check = async ({ kernel, netns, egressNic }) => {
  if (egressNic === undefined) return [];
  const read = (device: string) => sysctl(kernel, netns, `ipv4/conf/${device}/rp_filter`);
  const [all, bridge] = await Promise.all([read('all'), read(egressBridgeName(egressNic))]);
  if (bridge === undefined || bridge === LOOSE || all === LOOSE || ![all, bridge].includes(STRICT)) return [];
  const subject = `net.ipv4.conf.${egressBridgeName(egressNic)}.rp_filter`;
  return [
    {
      severity: 'error',
      code: 'rp-filter',
      subject,
      problem: `${subject} is ${bridge} and net.ipv4.conf.all.rp_filter is ${all}: replies of routed addresses are dropped`,
      remedy: 'remove the configuration that sets it; vethwork reconcile sets it to 2',
    },
  ];
};

export const forwarding: Check = async ({ kernel, netns, egressNic }) => {
  if (egressNic === undefined) return [];
  const bridge = await sysctl(kernel, netns, `ipv4/conf/${egressBridgeName(egressNic)}/forwarding`);
  const nic = await sysctl(kernel, netns, `ipv4/conf/${egressNic}/forwarding`);
  // Before the host is opened, there is no bridge and forwarding is off.
  if (bridge === undefined || nic !== '0') return [];
  // sysctl(8) writes dots in link names as slashes.
  const subject = `net.ipv4.conf.${egressNic.replaceAll('.', '/')}.forwarding`;
  const problem = `${subject} is 0: networks are unreachable from outside`;
  return [{ severity: 'error', code: 'forwarding', subject, problem, remedy: `sysctl -w ${subject}=1` }];
};

/** Paths between floating addresses and the outside. */
export const wayOut: Check = async ({ kernel, netns, egressNic }) => {
  if (egressNic === undefined) return [];
  const links = await kernel.query('link.list', { netns });
  const bridge = links.find(({ name }) => name === egressBridgeName(egressNic));
  // Before the host is opened, nothing is known about it.
  if (bridge === undefined) return [];
  const found: Finding[] = [];
  const problem = await missingWayOut(kernel, netns);
  if (problem !== undefined) {
    const remedy = `ip route add default via <router> dev ${egressNic}`;
    found.push({ severity: 'warning', code: 'no-way-out', subject: 'default route', problem, remedy });
  }
  const objects = await kernel.query('nftables.list', { netns, elements: false });
  const hasNat = objects.some(({ object, family, table, name }) => {
    return object === 'chain' && family === 'ip' && table === 'vethwork' && name === 'postrouting';
  });
  const routes = await kernel.query('route.list', { netns });
  const floating = routes.find(({ index, destination, protocol }) => {
    return index === bridge.index && protocol === 'kernel' && /^[\d.]+\/\d+$/.test(destination);
  })?.destination;
  if (!hasNat && floating !== undefined) {
    found.push({
      ...{ severity: 'note', code: 'no-outbound-nat', subject: floating },
      problem: neededRoute(floating, egressNic),
      remedy: `vethwork init --outbound-nat; or on the router: ip route add ${floating} via <address of ${egressNic}>`,
    });
  }
  return found;
};

const NEARLY = 0.9;

export const connectionTable: Check = async ({ kernel, netns }) => {
  const [count, most] = await Promise.all(
    ['count', 'max'].map(async (which) => Number(await sysctl(kernel, netns, `netfilter/nf_conntrack_${which}`))),
  );
  if (!((count as number) > (most as number) * NEARLY)) return [];
  const subject = 'net.netfilter.nf_conntrack_max';
  const problem = `${count} of ${most} entries of the connection tracking table are in use: if it is full, new connections are dropped`;
  return [{ severity: 'warning', code: 'conntrack-full', subject, problem, remedy: `raise ${subject}` }];
};

const MOST_PORTS = 1023;

/** Ports of the egress bridge, which all networks with NAT and all floating IPs share. */
export const bridgePorts: Check = async ({ kernel, netns, egressNic }) => {
  const links = await kernel.query('link.list', { netns });
  const bridge = links.find(({ name }) => egressNic !== undefined && name === egressBridgeName(egressNic));
  if (bridge === undefined) return [];
  const ports = links.filter(({ master }) => master === bridge.index).length;
  if (ports <= MOST_PORTS * NEARLY) return [];
  const problem = `${bridge.name} has ${ports} of ${MOST_PORTS} ports: they limit the number of networks with NAT and of floating addresses`;
  return [
    {
      severity: 'warning',
      code: 'bridge-ports',
      subject: bridge.name,
      problem,
      remedy: 'use another host for further networks',
    },
  ];
};

/** VXLAN links of other programs on the same UDP port. A VNI can belong to one link only. */
export const foreignVxlan: Check = async ({ kernel, netns, vxlanPort }) => {
  const links = await kernel.query('link.list', { netns });
  const found = links.filter(
    ({ kind, data, alias }) =>
      kind === 'vxlan' && data?.port === vxlanPort && !(alias ?? '').startsWith('vethwork ') && data.id !== undefined,
  );
  return found.map(
    ({ name, data }): Finding => ({
      severity: 'note',
      code: 'foreign-vxlan',
      subject: name,
      problem: `the link ${name} of another program uses VNI ${data?.id} on UDP port ${vxlanPort}: networks cannot use it`,
      remedy: 'set another vxlanPort if networks have fixed VNIs',
    }),
  );
};
