import { type Expression, match, type NftCommand, nftTable } from '../kernel/nftables/index.js';

/*
 * UDP checksums of DHCP replies. A veth leaves the checksum of a local packet to the receiver (CHECKSUM_PARTIAL). DHCP
 * clients with a packet socket see the incomplete checksum, and some reject the packet. Checksum offload stays on,
 * because TCP is several times slower without it: only replies of dnsmasq are completed, in the output hook, which
 * forwarded packets do not pass. nftables has no expression for it, and the kernel allows the xtables target CHECKSUM
 * in a table of the name `mangle` only. (`iptables -t mangle -A OUTPUT -p udp --dport 68 -j CHECKSUM --checksum-fill`)
 */

/** Name of the target in the kernel (iptables-extensions(8), CHECKSUM). */
export const CHECKSUM_TARGET = 'CHECKSUM';

const table = nftTable('ip', 'mangle');

/** XT_CHECKSUM_OP_FILL (linux/netfilter/xt_CHECKSUM.h). */
const FILL = 1;
/** Length of struct xt_CHECKSUM_info with its alignment, in bytes. */
const INFO_LENGTH = 8;

/** A netlink attribute (struct nlattr), padded to four bytes. */
function attribute(type: number, payload: Uint8Array): Uint8Array {
  const header = new Uint8Array(new Uint16Array([4 + payload.length, type]).buffer);
  const bytes = new Uint8Array(4 + Math.ceil(payload.length / 4) * 4);
  bytes.set(header);
  bytes.set(payload, header.length);
  return bytes;
}

/** NFTA_TARGET_NAME, NFTA_TARGET_REV and NFTA_TARGET_INFO (linux/netfilter/nf_tables.h). */
const data = Buffer.concat([
  attribute(1, Buffer.from(`${CHECKSUM_TARGET}\0`)),
  attribute(2, new Uint8Array(4)),
  attribute(
    3,
    Uint8Array.from({ length: INFO_LENGTH }, (_, index) => (index === 0 ? FILL : 0)),
  ),
]);

const fill = (): Expression[] => [{ expression: 'opaque', name: 'target', data }];

/** Completes the checksums of DHCP replies (`nft list table ip mangle`). @param device inner end of the network's pair */
export const fillDhcpChecksums = (device: string): NftCommand[] => [
  table.add(),
  ...table.chain(
    'dhcp-replies',
    { type: 'filter', hook: 'output', priority: -150, policy: 'accept' },
    { 'checksums of DHCP replies': [match.outputInterface(device), match.udpPort(68), fill()] },
  ),
];
