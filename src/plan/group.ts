/*
 * Device groups tell links of ours from others', whatever their names are, to rules that see a link only. Those of links in
 * service are 0x77000000 and the VNI, those of links that wait for deletion 0x76657468: a host's own are to be others.
 */

const IN_SERVICE = 0x77000000;

/** The device group of links that wait for deletion: "veth" in ASCII. */
export const DELETION_GROUP = 0x76657468;

/** The ports of a network's bridge. */
export const portGroup = (vni: number): number => IN_SERVICE + vni;

/** The VNI whose ports a group has; of a VNI itself, that. */
export const vniOfGroup = (group: number): number => group & 0xffffff;

/** The ports of the egress bridge: no network has the VNI 0. */
export const EGRESS_PORTS = portGroup(0);

/** What the groups of all links of ours have in common, in service or not: the bits of the mask are as in the value. */
export const VETHWORK_GROUPS = { value: 0x76000000, mask: 0xfe000000 } as const;
