/**
 * A register: where an expression leaves what the next one works with. 1 to 4 hold 16 bytes each; 8 to 23 are the same
 * space in pieces of 4 bytes (8 to 11 are register 1, and so on), which keys of several parts are put together in. 0 is
 * for verdicts. (`enum nft_registers`, include/uapi/linux/netfilter/nf_tables.h)
 */
export type NftRegister = number;

/**
 * What happens to a packet. `drop` is the end of it, `accept` the end of this base chain's work: other base chains still
 * see it. `continue` goes on with the next rule; `return` leaves the chain for the rule behind the jump, or for the policy
 * of a base chain. `jump` goes on in another chain of the table and comes back at its end, `goto` does not come back.
 * (nft(8), VERDICT STATEMENTS; NFTA_VERDICT_CODE, NFTA_VERDICT_CHAIN)
 */
export type Verdict = 'accept' | 'drop' | 'continue' | 'return' | { jump: string } | { goto: string };

/** Packets and their bytes. Reported as bigint where a number could not hold them. */
export interface Counted {
  /** Default 0 (NFTA_COUNTER_PACKETS). */
  packets?: number | bigint;
  /** From the network header on; default 0 (NFTA_COUNTER_BYTES). */
  bytes?: number | bigint;
}
