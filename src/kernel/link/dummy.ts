/**
 * Options of a dummy link (ip-link(8), `type dummy`), which drops all packets. None. Like `ip link add … type dummy`.
 */
export type DummyOptions = Record<string, never>;
