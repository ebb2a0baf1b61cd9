/**
 * A register number. Expressions pass values to later ones in registers. 1 to 4 have 16 bytes each. 8 to 23 are the
 * same space in units of 4 bytes (8 to 11 are register 1, and so on), for concatenated keys. 0 is the verdict. (`enum
 * nft_registers`, include/uapi/linux/netfilter/nf_tables.h)
 */
export type NftRegister = number;

/**
 * A verdict. `drop` discards the packet. `accept` ends this base chain; other base chains still see the packet.
 * `continue` continues with the next rule. `return` continues after the jump, or with the policy of a base chain.
 * `jump` continues in another chain of the table and returns at its end; `goto` does not return. (nft(8), VERDICT
 * STATEMENTS; NFTA_VERDICT_CODE, NFTA_VERDICT_CHAIN)
 */
export type Verdict = 'accept' | 'drop' | 'continue' | 'return' | { jump: string } | { goto: string };

/** Counted packets and bytes. Reported as bigint if they exceed the range of number. */
export interface Counted {
  /** Packets, default 0 (NFTA_COUNTER_PACKETS). */
  packets?: number | bigint;
  /** Bytes from the network header on, default 0 (NFTA_COUNTER_BYTES). */
  bytes?: number | bigint;
}
