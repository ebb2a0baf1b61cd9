/*
 * Device groups (`ip link set group`) identify links of vethwork by number, for nftables rules that match links. Links
 * in service have the group 0x77000000 + VNI. Links that are marked for deletion have 0x76657468. Other links of a host
 * must have other groups.
 */

const IN_SERVICE = 0x77000000;

/** Group of links that are marked for deletion: "veth" in ASCII. */
export const DELETION_GROUP = 0x76657468;

/** Group of the ports of a network's bridge. */
export const portGroup = (vni: number): number => IN_SERVICE + vni;

/** VNI of a group of ports. Returns a VNI unchanged. */
export const vniOfGroup = (group: number): number => group & 0xffffff;

/** Group of the ports of the egress bridge. No network has the VNI 0. */
export const EGRESS_PORTS = portGroup(0);

/** Value and mask that match the groups of all links of vethwork. */
export const VETHWORK_GROUPS = { value: 0x76000000, mask: 0xfe000000 } as const;
