/**
 * Options of an intermediate functional block (ip-link(8), `type ifb`), the target for shaping of incoming traffic.
 * None. Like `ip link add … type ifb`.
 */
export type IfbOptions = Record<string, never>;
